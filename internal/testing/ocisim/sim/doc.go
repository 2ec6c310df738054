// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package sim runs the OCI simulator inside a process: tests and demos make
// tenancies with credentials, start it on a port, point an SDK at its URL, and
// then make things go wrong.
package sim

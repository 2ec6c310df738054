// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package instance launches, finds, observes and terminates the OCI instance of a machine, in one
// account. An instance is found by the machine's tag, never by its name.
package instance

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package server puts the model behind OCI's HTTP API: it verifies request signatures and finds the
// tenancy by them, routes, parses JSON strictly, pages, applies faults and rate limits, and writes
// the call log. The shapes on the wire are its own: it cannot share a mistake with any SDK.
package server

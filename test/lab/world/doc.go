// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package world puts the lab together: the OCI simulator with real machines as instances, accounts
// behind NAT, a coordination server, a management cluster on the tailnet with Cluster API's
// managers and this repository's, and workload clusters on them. It runs inside enter.Enter.
package world

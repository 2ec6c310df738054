// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package network makes the lab's networks out of network namespaces: an Internet, a management
// host on it, VCNs as routers with machines behind their NAT, and the machines' wires. VCNs use the
// same private ranges and cannot reach each other, like OCI's without peering.
//
// Names begin with "capomlab-", so Clean finds the remains of a crashed run.
package network

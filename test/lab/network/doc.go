// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package network makes the lab's networks out of network namespaces: an Internet, a management
// host on it, VCNs as routers with machines behind their NAT, and the machines' wires. VCNs use the
// same private ranges and cannot reach each other, like OCI's without peering.
//
// Names of namespaces are the lab's own, since its /run is (package enter), and when its last
// process ends the kernel removes them.
package network

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package network makes the lab's networks out of network namespaces: an
// Internet, a management host on it, accounts as routers behind whose NAT
// machines live, and the machines' wires. Accounts use the same private ranges
// and cannot reach each other, as VCNs that are not peered.
//
// Names begin with "capomlab-", so that Clean finds what a crashed run left.
package network

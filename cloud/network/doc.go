// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package network creates, repairs and deletes the network of one cluster in one account: a VCN
// with a subnet, a gateway, a route table and a network security group, which let in the nodes'
// traffic and nothing more; or it verifies a network of the user's and leaves it alone.
//
// A cluster's resources are known by a tag with the cluster's UID, never by name. Everything is
// found again by it, so nothing has to be remembered: resources of an earlier attempt are taken
// over, whether or not its answer arrived. No call waits for OCI: the next call looks again at
// unfinished work.
package network

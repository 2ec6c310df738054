// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package network makes, repairs and removes the network of one cluster in one account: a VCN with
// a subnet, a gateway, a route table and a network security group that let in what nodes need and
// nothing more; or it looks at a network of the user's and leaves that alone.
//
// What belongs to a cluster is known by a tag with the cluster's UID, never by name. Everything is
// found again from it, so that nothing has to be remembered: what an earlier attempt made, whether
// or not its answer arrived, is taken over. No call waits for OCI: what is not finished is looked
// at again by the next call.
//
// It imports api, cloud and, for its value structs, cloud/oci.
package network

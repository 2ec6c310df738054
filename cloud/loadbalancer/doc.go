// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package loadbalancer makes, mends and removes the load balancer in front of one cluster's control
// planes, of either of OCI's kinds, and puts the control planes behind it.
//
// What belongs to a cluster is known by a tag with the cluster's UID, never by name. Everything is
// found again from it. OCI does all changes in the background, one at a time: no call waits for
// one, and what a caller should remember, so as to learn why a change failed, is in what the calls
// return.
//
// It imports api, cloud and, for its value structs, cloud/oci.
package loadbalancer

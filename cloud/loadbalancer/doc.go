// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package loadbalancer creates, repairs and deletes the load balancer in front of one cluster's
// control planes, of either of OCI's kinds, and puts the control planes behind it.
//
// A cluster's resources are known by a tag with the cluster's UID, never by name. Everything is
// found again by it. OCI makes all changes in the background, one at a time: no call waits for one,
// and the calls return the facts to remember for learning why a change failed.
package loadbalancer

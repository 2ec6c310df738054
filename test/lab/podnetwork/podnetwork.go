// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package podnetwork installs pods on a cluster of the lab, one on each node, and asks them whether
// they reach each other.
package podnetwork

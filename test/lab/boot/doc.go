// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package boot tests the user data on really booting machines, one or two at a time and without a
// cluster: real cloud-init, systemd and tailscaled, on the lab's networks. A script stands in for
// kubeadm and records its surroundings; test/lab/cluster has real kubeadm.
package boot

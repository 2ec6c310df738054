// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package boot tests what the user data does to machines that really boot, one or
// two at a time and without a cluster: real cloud-init, systemd and tailscaled, on
// the lab's networks. In kubeadm's place stands a script that writes down what it
// finds; test/lab/cluster has real kubeadm.
package boot

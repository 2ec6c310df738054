// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package machine boots cloud instances as systemd-nspawn containers with a whole operating system:
// systemd, cloud-init, tailscaled, containerd, kubelet. Each has a disk to outlive reboots, a
// network namespace made by test/lab/network, control groups of its own, and block devices.
//
// Differences from a real machine: the kernel is the host's; cloud-init reads its NoCloud seed;
// block devices are loop devices with nodes made when they are attached, but the machine's own udev
// finds their file systems as usual.
package machine

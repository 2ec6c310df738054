// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package cloudinit renders the user data of one machine and reads it back.
//
// The bootstrap provider's cloud-config is passed on byte for byte. Beside it lies one shell script
// with the node's scripts, units and configuration; cloud-init runs it after write_files and before
// runcmd, and it lets runcmd (kubeadm) run only once the machine has joined the tailnet.
// docs/decisions/0002-user-data.md gives the reasons.
//
// Jinja is read by code of our own (jinja.go), as far as it takes to tell a user which line of the
// bootstrap data cloud-init would drop all of it for. The library for Go, gonja, would add eight
// modules to the manager, and its lexer passes over signs that Jinja refuses and names no line
// where an end is missing (seen with v2.9.1).
//
// The package is pure: it reads no clock, and the same Input gives the same bytes, on which the
// launch's retry token depends.
package cloudinit

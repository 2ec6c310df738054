// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package policy tests the tailnet policies of docs/policies: their syntax with Tailscale's own
// parser and types, and who reaches whom with Headscale's own policy manager, whose rules go into
// the packet filter of a tailscaled. It is a module of its own, so that nothing of Headscale is
// among the provider's requirements. go.mod names the newest Headscale that the policies are tested
// with, headscale-0.28.mod the oldest: go test -modfile=headscale-0.28.mod.
package policy

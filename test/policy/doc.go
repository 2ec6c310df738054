// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package policy tests the tailnet policies of docs/policies: their syntax with Tailscale's own
// parser and types, and reachability with Headscale's own policy manager, by its rules in the
// packet filter of a tailscaled. It is a module of its own: nothing of Headscale is among the
// provider's requirements. go.mod names the newest Headscale of these tests, headscale-0.28.mod the
// oldest: go test -modfile=headscale-0.28.mod.
package policy

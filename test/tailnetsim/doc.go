// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package tailnetsim is a control server of one tailnet, in memory: the part of Tailscale's v2 API
// that deals with keys, devices and routes, as Tailscale answers it or as Headscale does, and a
// control side by which simulated machines register, advertise routes, go away and come back. It
// refuses what the real servers refuse.
//
// It imports nothing of this module, so that it cannot share a mistake with the client that it
// tests. What it answers comes from Headscale's hscontrol/api/v2, Tailscale's api.md and the issues
// named at the places.
package tailnetsim

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package tailnetsim is a control server of one tailnet, in memory: the part of Tailscale's v2 API
// for keys, devices and routes, with Tailscale's answers or Headscale's, and a control side for
// simulated machines to register, advertise routes, go away and come back. It refuses what the real
// servers refuse.
//
// It imports nothing of this module: it cannot share a mistake with the client under test. Its
// answers follow Headscale's hscontrol/api/v2, Tailscale's api.md and the issues named at the
// places.
package tailnetsim

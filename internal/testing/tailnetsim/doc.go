// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package tailnetsim is a control server of one tailnet, in memory: the part of Tailscale's v2 API
// for keys, devices and routes, with Tailscale's answers or Headscale's, or Headscale's API v1, and
// a control side for simulated machines to register, advertise routes, go away and come back. It
// refuses what the real servers refuse.
//
// It shares no code, so no mistake, with the client under test. Its answers follow, by mode:
//
//   - Tailscale: api.md and the issues named at the places.
//   - Headscale, 0.30: hscontrol/api/v2 of Headscale's main branch.
//   - Headscale029 and Headscale028: what real servers 0.29.2 and 0.28.0 with real clients answered
//     on 28 November 2026. testdata has the calls and the answers, and a test repeats them all. How
//     routes are elected, and what keys and restarts do to nodes, was watched on the same servers.
//     Where nothing was recorded the source decides, at the tags v0.29.2 and v0.28.0, and is named
//     at the place.
//   - Headscale026: the source at v0.26.1, and only as much as tells it from later ones.
//
// API v1 lacks here what no client of machines needs: API keys, expiry and tags of nodes,
// registration by hand, changes of users, and a policy in the database. Its texts for JSON of the
// wrong types are Go's and not protojson's.
package tailnetsim

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package tailnet talks to the control server of one tailnet: Tailscale's own, a Headscale of 0.30
// or later with the same API v2, or one of 0.28 or 0.29 with Headscale's own, v1. It mints and
// revokes the machines' single-use keys for joining, finds and deletes their devices, approves the
// routes they advertise, and reads the policy. What of it is one API's is a backend; nothing
// outside of this package knows which one answers.
//
// It knows nothing of Kubernetes and it logs nothing: failures are in the error, of package cloud's
// kinds, never with a secret or the body of a request.
package tailnet

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package tailnet talks to the control server of one tailnet: Tailscale's own, or a Headscale of
// 0.30 or later with the same v2 API. It mints and revokes the machines' single-use keys for
// joining, finds and deletes their devices, and approves the routes they advertise.
//
// It alone imports tailscale.com/client/tailscale/v2. Of this module it imports package cloud, for
// the kinds of errors. It knows nothing of Kubernetes and it logs nothing: failures are in the
// error, never with a secret or the body of a request.
package tailnet

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package tailnet talks to the control server of one tailnet: Tailscale's own, or a Headscale of
// 0.30 or later, which serves the same v2 API. It mints and revokes the single-use keys with which
// machines join, finds and deletes their devices, and approves the routes they advertise.
//
// It is the only package that imports tailscale.com/client/tailscale/v2. Of this module it imports
// package cloud, for the kinds of errors. It knows nothing of Kubernetes and it logs nothing: what
// went wrong is in the error, which never carries a secret or the body of a request.
package tailnet

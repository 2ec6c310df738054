// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"context"
	"errors"
	"net/netip"
)

// Servers of the tailnet, at one address.
var (
	coordinationServer = netip.MustParseAddrPort(serverAddress + ":443")
	relayServer        = netip.MustParseAddrPort(serverAddress + ":8443")
	stunServer         = netip.MustParseAddrPort(serverAddress + ":3478")
)

// SetCoordinationServer takes the coordination server away from everybody, the managers included,
// as if its machine had lost its power: packets are dropped, and nothing is told to anybody. It
// keeps what it knows, as Headscale does in its database. Stopping its process instead would leave
// connections that the kernel accepts; all its clients give up both after a while.
func (w *World) SetCoordinationServer(ctx context.Context, up bool) error {
	return w.Network.Block(ctx, "tcp", coordinationServer, !up)
}

// SetRelay takes the DERP relay away, and STUN with it, or brings both back.
func (w *World) SetRelay(ctx context.Context, up bool) error {
	return errors.Join(w.Network.Block(ctx, "tcp", relayServer, !up), w.Network.Block(ctx, "udp", stunServer, !up))
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"context"
	"net/netip"
	"slices"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

// Routes are the subnet routes of a device. A route works if it is both advertised by the device
// and enabled.
type Routes struct {
	Advertised []netip.Prefix
	Enabled    []netip.Prefix
}

// Serves tells whether the device advertises the prefix and is allowed to.
func (r Routes) Serves(prefix netip.Prefix) bool {
	return slices.Contains(r.Advertised, prefix) && slices.Contains(r.Enabled, prefix)
}

// Routes returns the routes of a device. IsNotFound tells if there is no such device.
func (c *Client) Routes(ctx context.Context, deviceID string) (Routes, error) {
	const operation = "GetRoutes"
	if deviceID == "" {
		return Routes{}, fail(operation, ReasonInvalidRequest, errNoDeviceID)
	}
	return call(ctx, c, operation, func(ctx context.Context, b backend) (Routes, error) { return b.getRoutes(ctx, deviceID) })
}

// ApproveRoutes enables the prefixes for a proven device, advertised or not yet, and keeps its
// enabled ones.
func (c *Client) ApproveRoutes(ctx context.Context, proof ownership.Proof, prefixes ...netip.Prefix) error {
	if proof.IsZero() {
		return fail("SetRoutes", ReasonInvalidRequest, errUnproven)
	}
	routes, err := c.Routes(ctx, proof.ID())
	if err != nil {
		return err
	}
	enabled := slices.Clone(routes.Enabled)
	for _, prefix := range prefixes {
		if prefix = prefix.Masked(); !slices.Contains(enabled, prefix) {
			enabled = append(enabled, prefix)
		}
	}
	if len(enabled) == len(routes.Enabled) {
		return nil
	}
	return c.setRoutes(ctx, proof, enabled)
}

// DisableRoutes withdraws the approval of all routes of a proven device: the tailnet sends nothing
// there any more, whatever the device advertises. A missing device is no error.
func (c *Client) DisableRoutes(ctx context.Context, proof ownership.Proof) error {
	return c.disable(ctx, proof, func(netip.Prefix) bool { return true })
}

// DisableRoute withdraws the approval of exactly this route and leaves all others of the device as
// they are. A missing device is no error.
func (c *Client) DisableRoute(ctx context.Context, proof ownership.Proof, route netip.Prefix) error {
	return c.disable(ctx, proof, func(enabled netip.Prefix) bool { return enabled == route })
}

func (c *Client) disable(ctx context.Context, proof ownership.Proof, which func(netip.Prefix) bool) error {
	if proof.IsZero() {
		return fail("SetRoutes", ReasonInvalidRequest, errUnproven)
	}
	routes, err := c.Routes(ctx, proof.ID())
	switch {
	case IsNotFound(err):
		return nil
	case err != nil:
		return err
	case !slices.ContainsFunc(routes.Enabled, which):
		return nil
	}
	err = c.setRoutes(ctx, proof, slices.DeleteFunc(slices.Clone(routes.Enabled), which))
	if IsNotFound(err) {
		return nil
	}
	return err
}

func (c *Client) setRoutes(ctx context.Context, proof ownership.Proof, enabled []netip.Prefix) error {
	return do(ctx, c, "SetRoutes", func(ctx context.Context, b backend) error { return b.setRoutes(ctx, proof.ID(), enabled) })
}

// routesOf reads a device's routes. Those that cannot be read are left out: one device must not
// hide all others. The error is about enabled ones: who replaces them all would take those away.
func routesOf(advertised, enabled []string) (out Routes, err error) {
	out.Advertised, _ = prefixesOf(advertised)
	out.Enabled, err = prefixesOf(enabled)
	return out, err
}

// prefixesOf are those that can be read, and an error if others cannot.
func prefixesOf(texts []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	var unread error
	for _, text := range texts {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			unread = err
			continue
		}
		out = append(out, prefix)
	}
	return out, unread
}

func textOf(prefixes []netip.Prefix) []string {
	out := make([]string, 0, len(prefixes))
	for _, prefix := range prefixes {
		out = append(out, prefix.String())
	}
	return out
}

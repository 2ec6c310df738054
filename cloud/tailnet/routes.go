// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"context"
	"net/netip"
	"slices"
)

// Routes are the subnet routes of a device. A route works if it is both advertised by the device and enabled.
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
	return call(ctx, c, operation, func(ctx context.Context) (Routes, error) {
		routes, err := c.api.Devices().SubnetRoutes(ctx, deviceID)
		if err != nil {
			return Routes{}, err
		}
		out, err := routesOf(routes.Advertised, routes.Enabled)
		if err != nil {
			return Routes{}, malformed(operation, deviceID, err)
		}
		return out, nil
	})
}

// ApproveRoutes enables the prefixes for the device, advertised or not yet, and keeps what is enabled already.
func (c *Client) ApproveRoutes(ctx context.Context, deviceID string, prefixes ...netip.Prefix) error {
	routes, err := c.Routes(ctx, deviceID)
	if err != nil {
		return err
	}
	// The API replaces the whole set.
	enabled := slices.Clone(routes.Enabled)
	for _, prefix := range prefixes {
		if prefix = prefix.Masked(); !slices.Contains(enabled, prefix) {
			enabled = append(enabled, prefix)
		}
	}
	if len(enabled) == len(routes.Enabled) {
		return nil
	}
	return do(ctx, c, "SetRoutes", func(ctx context.Context) error {
		return c.api.Devices().SetSubnetRoutes(ctx, deviceID, textOf(enabled))
	})
}

// DisableRoutes takes the approval of all of the device's routes back: the tailnet sends nothing there any more, whatever the
// device advertises. A device that does not exist any more is no error.
func (c *Client) DisableRoutes(ctx context.Context, deviceID string) error {
	routes, err := c.Routes(ctx, deviceID)
	switch {
	case IsNotFound(err):
		return nil
	case err != nil:
		return err
	case len(routes.Enabled) == 0:
		return nil
	}
	return do(ctx, c, "SetRoutes", func(ctx context.Context) error {
		return c.api.Devices().SetSubnetRoutes(ctx, deviceID, []string{})
	})
}

func routesOf(advertised, enabled []string) (out Routes, err error) {
	if out.Advertised, err = prefixesOf(advertised); err != nil {
		return Routes{}, err
	}
	if out.Enabled, err = prefixesOf(enabled); err != nil {
		return Routes{}, err
	}
	return out, nil
}

func prefixesOf(texts []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, text := range texts {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, err
		}
		out = append(out, prefix)
	}
	return out, nil
}

func textOf(prefixes []netip.Prefix) []string {
	out := make([]string, 0, len(prefixes))
	for _, prefix := range prefixes {
		out = append(out, prefix.String())
	}
	return out
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

// Device is a machine of the tailnet.
type Device struct {
	// ID is the stable identifier, for the methods of Client.
	ID string
	// Hostname is chosen by the machine. Several devices may have the same: a machine that
	// registers twice is two devices.
	Hostname string
	// Name is the name within the tailnet, unique; Tailscale's includes the tailnet's domain.
	Name string
	// Addresses are the IPv4 and the IPv6 address within the tailnet.
	Addresses []netip.Addr
	Tags      []string
	OS        string
	Version   string
	Created   time.Time
	// Online tells whether the device is connected to the control server.
	Online bool
	// LastSeen is zero while the device is online.
	LastSeen time.Time
	// KeyID is the auth key the device joined with. It is empty where the server does not tell: the
	// API v2 has no such field, Headscale's v1 has (preAuthKey.id of a node) until the key is
	// deleted.
	KeyID string
	// Authorized is false while an administrator has yet to approve the device.
	Authorized bool
	// External is set for another tailnet's device, shared into this one.
	External bool
	// LockError says why Tailnet Lock keeps the device from talking to others; empty if it does
	// not.
	LockError string
	// Expires is when the device's node key expires, unless KeyExpiryDisabled, the default for
	// tagged devices (tailscale.com/kb/1028/key-expiry). It is zero if the server names no time.
	Expires           time.Time
	KeyExpiryDisabled bool
	// Routes are the device's advertised and enabled routes.
	Routes Routes
}

// IPv4 is the device's IPv4 address, or the zero Addr.
func (d Device) IPv4() netip.Addr { return d.first(netip.Addr.Is4) }

// IPv6 is the device's IPv6 address, or the zero Addr.
func (d Device) IPv6() netip.Addr { return d.first(netip.Addr.Is6) }

func (d Device) first(is func(netip.Addr) bool) netip.Addr {
	if i := slices.IndexFunc(d.Addresses, is); i >= 0 {
		return d.Addresses[i]
	}
	return netip.Addr{}
}

// Devices lists all devices of the tailnet, oldest first.
func (c *Client) Devices(ctx context.Context) ([]Device, error) {
	const operation = "ListDevices"
	return call(ctx, c, operation, func(ctx context.Context, b backend) ([]Device, error) {
		listed, err := b.listDevices(ctx)
		slices.SortStableFunc(listed, func(a, b Device) int {
			return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(len(a.ID), len(b.ID)), cmp.Compare(a.ID, b.ID))
		})
		return listed, err
	})
}

// Device returns the device of this identifier. IsNotFound tells if there is none.
func (c *Client) Device(ctx context.Context, id string) (Device, error) {
	const operation = "GetDevice"
	if id == "" {
		return Device{}, fail(operation, ReasonInvalidRequest, errNoDeviceID)
	}
	return call(ctx, c, operation, func(ctx context.Context, b backend) (Device, error) { return b.getDevice(ctx, id) })
}

// DeleteDevice removes a proven device from the tailnet. A missing one is no error.
func (c *Client) DeleteDevice(ctx context.Context, proof ownership.Proof) error {
	if proof.IsZero() {
		return fail("DeleteDevice", ReasonInvalidRequest, errUnproven)
	}
	err := do(ctx, c, "DeleteDevice", func(ctx context.Context, b backend) error { return b.deleteDevice(ctx, proof.ID()) })
	if IsNotFound(err) {
		return nil
	}
	return err
}

var (
	errNoDeviceID = errors.New("the device's identifier is empty")
	errUnproven   = errors.New("what is to be changed is not proven to be the caller's")
)

// addressesOf are those that can be read: one device must not hide all others.
func addressesOf(texts []string) []netip.Addr {
	var out []netip.Addr
	for _, text := range texts {
		if address, err := netip.ParseAddr(text); err == nil {
			out = append(out, address)
		}
	}
	return out
}

func malformed(operation, id string, err error) error {
	return fail(operation, ReasonNotControlServer, fmt.Errorf("the server's description of device %s is malformed: %w", id, err))
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/shared"
)

// since reads a shared list, with the package's errors.
func since[T any](
	ctx context.Context, c *Client, operation string, list *shared.List[T], notBefore time.Time, read func(context.Context) (T, error),
) (T, error) {
	value, err := list.Since(ctx, notBefore, read)
	var known *cloud.Error
	switch {
	case err == nil, errors.As(err, &known):
		return value, err
	case errors.Is(err, shared.ErrSlow):
		return value, slow(operation, c.gate.limits.Turn)
	}
	return value, fail(operation, ReasonUnreachable, err)
}

// DeviceList is all devices of a tailnet, oldest first, as one request has shown them. It is
// read-only: many callers share it.
type DeviceList struct {
	// Began is when the request was sent.
	Began time.Time
	All   []Device

	byHostname map[string][]int
	byID       map[string]int
	byKey      map[string]int
	byRoute    map[netip.Prefix][]int
}

// NewDeviceList is a list of devices, oldest first, from a request sent at the time.
func NewDeviceList(began time.Time, devices []Device) *DeviceList {
	l := &DeviceList{
		Began: began, All: devices, byHostname: make(map[string][]int, len(devices)),
		byID: make(map[string]int, len(devices)), byKey: map[string]int{}, byRoute: map[netip.Prefix][]int{},
	}
	for i, device := range devices {
		l.byHostname[device.Hostname] = append(l.byHostname[device.Hostname], i)
		l.byID[device.ID] = i
		if device.KeyID != "" {
			l.byKey[device.KeyID] = i
		}
		for _, route := range device.Routes.Enabled {
			l.byRoute[route] = append(l.byRoute[route], i)
		}
	}
	return l
}

// Has tells whether the list shows a device of the identifier.
func (l *DeviceList) Has(id string) bool {
	_, known := l.byID[id]
	return known
}

// With is the list and one device more, which was read by itself.
func (l *DeviceList) With(device Device) *DeviceList {
	return NewDeviceList(l.Began, append(slices.Clone(l.All), device))
}

// Of are a machine's possible devices: the one of the identifier, the one joined with the key as
// far as the server tells, and all with the hostname. Empty arguments find none.
func (l *DeviceList) Of(id, keyID, hostname string) []Device {
	found := slices.Clone(l.byHostname[hostname])
	if i, known := l.byID[id]; known {
		found = append(found, i)
	}
	if i, known := l.byKey[keyID]; known {
		found = append(found, i)
	}
	slices.Sort(found)
	return l.at(slices.Compact(found))
}

// WithRoute are the devices with exactly this route enabled.
func (l *DeviceList) WithRoute(route netip.Prefix) []Device { return l.at(l.byRoute[route]) }

func (l *DeviceList) at(indexes []int) []Device {
	var devices []Device
	for _, i := range indexes {
		devices = append(devices, l.All[i])
	}
	return devices
}

// RecentDevices is a list of all devices, not older than age or only by the time it takes to read,
// and shared by all callers: a search for many machines costs no more than for one.
func (c *Client) RecentDevices(ctx context.Context, age time.Duration) (*DeviceList, error) {
	notBefore := c.devices.NotBefore(age)
	return since(ctx, c, "ListDevices", &c.devices, notBefore, func(ctx context.Context) (*DeviceList, error) {
		began := time.Now()
		devices, err := c.Devices(ctx)
		if err != nil {
			return nil, err
		}
		return NewDeviceList(began, devices), nil
	})
}

// KeyIsLive tells whether the key is still good for joining, from a list of keys begun at or after
// the time and shared by all callers. A single-use key no longer live was used, revoked, or has
// expired: Tailscale lists active keys only (api.md, "List tailnet keys"), Headscale marks others
// as invalid.
func (c *Client) KeyIsLive(ctx context.Context, id string, notBefore time.Time) (bool, error) {
	live, err := since(ctx, c, "ListKeys", &c.live, notBefore, func(ctx context.Context) (map[string]bool, error) {
		return call(ctx, c, "ListKeys", func(ctx context.Context, b backend) (map[string]bool, error) { return b.liveKeys(ctx) })
	})
	return live[id], err
}

// DescribesKeys tells whether the server keeps keys' descriptions, as far as is known. Without them
// a key is proven by its identifier in a status only.
func (c *Client) DescribesKeys() bool { return c.backends.get().describesKeys() }

// KeysSince returns the keys of exactly this description still good for joining, from a list begun
// at or after the time and shared by all callers. There are none to be found where the server keeps
// no descriptions: see v1.createKey.
func (c *Client) KeysSince(ctx context.Context, description string, notBefore time.Time) ([]Key, error) {
	if !c.DescribesKeys() {
		return nil, nil
	}
	keys, err := since(ctx, c, "ListKeys", &c.keys, notBefore, c.Keys)
	if err != nil {
		return nil, err
	}
	return usable(keys, description), nil
}

// usable are the keys of exactly this description still good for joining.
func usable(keys []Key, description string) []Key {
	return slices.DeleteFunc(slices.Clone(keys), func(key Key) bool { return key.Description != description || key.Invalid })
}

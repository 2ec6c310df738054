// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"context"
	"slices"
	"time"
)

// keep makes a list of all devices, begun at the time, available as a recent one.
func (c *Client) keep(began time.Time, devices []Device) {
	c.devices.Put(began, NewDeviceList(began, devices))
}

// KnownDevices are all devices in the newest list read by any caller, and its start; zero if there
// is none. It sends no request.
func (c *Client) KnownDevices() (devices []Device, began time.Time) {
	list, began := c.devices.Latest()
	if list == nil {
		return nil, began
	}
	return list.All, began
}

// UsableKeys are the keys still good for joining, regardless of their creator, from a list not
// older than age and shared by all callers.
func (c *Client) UsableKeys(ctx context.Context, age time.Duration) ([]Key, error) {
	keys, err := since(ctx, c, "ListKeys", &c.keys, c.keys.NotBefore(age), c.Keys)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(keys), func(key Key) bool { return key.Invalid }), nil
}

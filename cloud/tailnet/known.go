// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"context"
	"slices"
	"time"
)

// keep has a list of all devices, begun at the time, serve those who ask for a recent one.
func (c *Client) keep(began time.Time, devices []Device) {
	c.devices.Put(began, NewDeviceList(began, devices))
}

// KnownDevices are all devices as the newest list shows them that anybody has read, and when that
// was begun; zero if nobody has. It asks nobody.
func (c *Client) KnownDevices() (devices []Device, began time.Time) {
	list, began := c.devices.Latest()
	if list == nil {
		return nil, began
	}
	return list.All, began
}

// UsableKeys are the keys with which a machine could still join, whoever minted them, by a list
// that is not older than age and that all callers share.
func (c *Client) UsableKeys(ctx context.Context, age time.Duration) ([]Key, error) {
	keys, err := since(ctx, c, "ListKeys", &c.keys, c.keys.NotBefore(age), c.Keys)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(keys), func(key Key) bool { return key.Invalid }), nil
}

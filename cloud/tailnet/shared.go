// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"context"
	"errors"
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

// RecentDevices is FindDevice by a list of all devices that is not older than age, or only as much as reading it takes, and that all
// callers share: what many machines look for costs no more than what one does. The devices are the caller's to read only.
func (c *Client) RecentDevices(ctx context.Context, hostname string, age time.Duration) ([]Device, error) {
	notBefore := c.devices.NotBefore(age)
	byHostname, err := since(ctx, c, "ListDevices", &c.devices, notBefore, func(ctx context.Context) (map[string][]Device, error) {
		devices, err := c.Devices(ctx)
		if err != nil {
			return nil, err
		}
		byHostname := make(map[string][]Device, len(devices))
		for _, device := range devices {
			byHostname[device.Hostname] = append(byHostname[device.Hostname], device)
		}
		return byHostname, nil
	})
	if err != nil {
		return nil, err
	}
	return byHostname[hostname], nil
}

// KeysSince returns the keys of exactly this description with which a machine could still join, by a list that was begun at or after
// the time and that all callers share.
func (c *Client) KeysSince(ctx context.Context, description string, notBefore time.Time) ([]Key, error) {
	keys, err := since(ctx, c, "ListKeys", &c.keys, notBefore, c.Keys)
	if err != nil {
		return nil, err
	}
	return usable(keys, description), nil
}

// usable are the keys of exactly this description with which a machine could still join.
func usable(keys []Key, description string) []Key {
	return slices.DeleteFunc(slices.Clone(keys), func(key Key) bool { return key.Description != description || key.Invalid })
}

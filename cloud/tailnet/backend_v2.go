// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"time"

	tailscale "tailscale.com/client/tailscale/v2"
)

// v2 is Tailscale's API, which Headscale speaks since 0.30.
type v2 struct {
	api *tailscale.Client
	// lists tells whether the server shows a list of devices.
	lists func(context.Context) (bool, error)
}

// listOf asks again if the client library has made no list of an answer, unless the server shows
// none at all: the library does not tell a list that is empty from one that is missing, as from a
// page of maintenance.
func listOf[T any](ctx context.Context, v *v2, field string, list func() ([]T, error)) ([]T, error) {
	all, err := list()
	if err != nil || all != nil {
		return all, err
	}
	switch lists, err := v.lists(ctx); {
	case err != nil:
		return nil, err
	case !lists:
		return nil, withoutList(ctx, field)
	}
	return list()
}

func (v *v2) listDevices(ctx context.Context) ([]Device, error) {
	all, err := listOf(ctx, v, "devices", func() ([]tailscale.Device, error) {
		return v.api.Devices().List(ctx, tailscale.WithFields(tailscale.IncludeFieldsAll))
	})
	if err != nil {
		return nil, err
	}
	out := make([]Device, 0, len(all))
	for _, device := range all {
		out = append(out, deviceOf(device))
	}
	return out, nil
}

func (v *v2) getDevice(ctx context.Context, id string) (Device, error) {
	device, err := v.api.Devices().GetWithAllFields(ctx, id)
	if err != nil {
		return Device{}, err
	}
	return deviceOf(*device), nil
}

func (v *v2) deleteDevice(ctx context.Context, id string) error {
	return v.api.Devices().Delete(ctx, id)
}

func (v *v2) getRoutes(ctx context.Context, id string) (Routes, error) {
	routes, err := v.api.Devices().SubnetRoutes(ctx, id)
	if err != nil {
		return Routes{}, err
	}
	out, err := routesOf(routes.Advertised, routes.Enabled)
	if err != nil {
		return Routes{}, malformed(operationOf(ctx), id, err)
	}
	return out, nil
}

func (v *v2) setRoutes(ctx context.Context, id string, enabled []netip.Prefix) error {
	return v.api.Devices().SetSubnetRoutes(ctx, id, textOf(enabled))
}

func (v *v2) createKey(ctx context.Context, spec KeySpec) (Key, error) {
	req := tailscale.CreateKeyRequest{ExpirySeconds: int64(spec.life() / time.Second), Description: spec.Description}
	create := &req.Capabilities.Devices.Create
	create.Reusable, create.Preauthorized, create.Tags = spec.Reusable, true, spec.Tags
	created, err := v.api.Keys().CreateAuthKey(ctx, req)
	if err != nil {
		return Key{}, err
	}
	if created.ID == "" || created.Key == "" {
		return Key{}, fail(operationOf(ctx), ReasonNotControlServer, errors.New("the answer holds no key"))
	}
	return keyOf(*created), nil
}

func (v *v2) allKeys(ctx context.Context) ([]tailscale.Key, error) {
	return listOf(ctx, v, "keys", func() ([]tailscale.Key, error) { return v.api.Keys().List(ctx, true) })
}

func (v *v2) listKeys(ctx context.Context) ([]Key, error) {
	all, err := v.allKeys(ctx)
	if err != nil {
		return nil, err
	}
	var out []Key
	for _, key := range all {
		complete, found, err := v.completeKey(ctx, key)
		if err != nil {
			return nil, err
		}
		if found && (complete.KeyType == "" || complete.KeyType == authKeyType) {
			out = append(out, keyOf(complete))
		}
	}
	return out, nil
}

// completeKey gets a key in full: the list may give its identifier only, according to the client
// library (keys.go of v2.9.0).
func (v *v2) completeKey(ctx context.Context, key tailscale.Key) (_ tailscale.Key, found bool, _ error) {
	if !key.Created.IsZero() {
		return key, true, nil
	}
	complete, err := v.api.Keys().Get(withOperation(ctx, "GetKey"), key.ID)
	var answer *responseError
	switch {
	case errors.As(err, &answer) && answer.reason() == ReasonNotFound:
		return key, false, nil
	case err != nil:
		return key, false, err
	}
	return *complete, true, nil
}

func (v *v2) liveKeys(ctx context.Context) (map[string]bool, error) {
	all, err := v.allKeys(ctx)
	if err != nil {
		return nil, err
	}
	live := make(map[string]bool, len(all))
	for _, key := range all {
		live[key.ID] = !keyOf(key).Invalid
	}
	return live, nil
}

func (v *v2) revokeKey(ctx context.Context, id string) error { return v.api.Keys().Delete(ctx, id) }

func (v *v2) discardKey(ctx context.Context, id string) error { return v.revokeKey(ctx, id) }

func (v *v2) describesKeys() bool { return true }

func (v *v2) takesNodeAttrs() bool { return true }

func (v *v2) policy(ctx context.Context) (string, error) {
	raw, err := v.api.PolicyFile().Raw(ctx)
	if err != nil {
		return "", err
	}
	return raw.HuJSON, nil
}

func deviceOf(device tailscale.Device) Device {
	out := Device{
		ID:         cmp.Or(device.NodeID, device.ID),
		Hostname:   device.Hostname,
		Name:       device.Name,
		Tags:       device.Tags,
		OS:         device.OS,
		Version:    device.ClientVersion,
		Created:    device.Created.Time,
		Authorized: device.Authorized,
		External:   device.IsExternal,
		LockError:  device.TailnetLockError,
		Expires:    device.Expires.Time,

		KeyExpiryDisabled: device.KeyExpiryDisabled,
		// Headscale has no connectedToControl; both leave lastSeen out while the device is
		// connected.
		Online: device.ConnectedToControl || device.LastSeen == nil,
	}
	if !out.Online {
		out.LastSeen = device.LastSeen.Time
	}
	out.Addresses = addressesOf(device.Addresses)
	out.Routes, _ = routesOf(device.AdvertisedRoutes, device.EnabledRoutes)
	return out
}

func keyOf(key tailscale.Key) Key {
	tags := key.Capabilities.Devices.Create.Tags
	if len(tags) == 0 {
		tags = key.Tags
	}
	return Key{
		ID:          key.ID,
		Secret:      Secret(key.Key),
		Description: key.Description,
		Tags:        tags,
		Created:     key.Created,
		Expires:     key.Expires,
		Invalid:     key.Invalid || !key.Revoked.IsZero(),
	}
}

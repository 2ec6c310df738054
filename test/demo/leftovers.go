// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// proveNothingLeft asks the clouds themselves, not the provider.
func (d *demo) proveNothingLeft(context.Context) error {
	var left []string
	for _, a := range d.accounts {
		resources, err := d.oci.Leftovers(a.Name)
		if err != nil {
			return err
		}
		for _, r := range resources {
			left = append(left, fmt.Sprintf("%s: %s %q is %s", a.Name, r.Kind, r.DisplayName, r.LifecycleState))
		}
	}
	rest := d.tailnet.Leftovers()
	for _, device := range rest.Devices {
		left = append(left, fmt.Sprintf("tailnet: device %q", device.Hostname))
	}
	for _, key := range rest.Keys {
		left = append(left, fmt.Sprintf("tailnet: key %s, with which a machine could still join", key.ID))
	}
	if len(left) > 0 {
		return errors.New("left behind:\n  " + strings.Join(left, "\n  "))
	}
	d.screen.Note("no instance, network or volume in any tenancy, no device or usable key in the tailnet")
	return nil
}

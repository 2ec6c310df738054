// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"strings"
)

// proveNothingLeft asks the clouds themselves, not the provider.
func (d *demo) proveNothingLeft(context.Context) error {
	left, err := d.clouds.Leftovers()
	if err != nil {
		return err
	}
	if len(left) > 0 {
		return errors.New("left behind:\n  " + strings.Join(left, "\n  "))
	}
	d.screen.Note("no instance, network or volume in any tenancy, no device or usable key in the tailnet")
	return nil
}

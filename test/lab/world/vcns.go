// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/metadata"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/network"
)

// vcn is a VCN with its metadata service and its resolver.
type vcn struct {
	*network.VCN
	services *metadata.Service
}

// Account is the network of an OCI account: a first VCN, which is that of machines without a
// cluster, and one for each in the simulator. These are made as machines need them.
type Account struct {
	name  string
	world *World

	mu   sync.Mutex
	vcns map[string]*vcn
	down bool
}

// vcn is the VCN of an OCID, which is empty for the first.
func (a *Account) vcn(ctx context.Context, ocid string) (*vcn, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if v := a.vcns[ocid]; v != nil {
		return v, nil
	}
	name := a.name
	if n := len(a.vcns); n > 0 {
		name = fmt.Sprintf("%s-%d", name, n+1)
	}
	wires, err := a.world.Network.AddVCN(ctx, name)
	if err != nil {
		return nil, err
	}
	if a.down {
		if err := wires.SetUplink(ctx, false); err != nil {
			return nil, err
		}
	}
	services, err := metadata.Serve(ctx, wires, hostNames())
	if err != nil {
		return nil, err
	}
	a.vcns[ocid] = &vcn{wires, services}
	return a.vcns[ocid], nil
}

// SetUplink cuts the account off the Internet at once, or connects it again. Inside it everything
// goes on.
func (a *Account) SetUplink(ctx context.Context, up bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.down = !up
	var errs []error
	for _, v := range a.vcns {
		errs = append(errs, v.SetUplink(ctx, up))
	}
	return errors.Join(errs...)
}

func (a *Account) close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var errs []error
	for _, v := range a.vcns {
		errs = append(errs, v.services.Close())
	}
	return errors.Join(errs...)
}

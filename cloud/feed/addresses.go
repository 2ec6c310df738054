// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"slices"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
)

// addresses is the progress of the search for an instance's addresses: it runs on request only, and
// once.
type addresses struct {
	wanted bool
	// untold is set while no Change has reported the instance as running.
	untold bool
	vnic   *oci.VNIC
	err    error
}

func (a *addresses) want() {
	if a.vnic == nil {
		a.wanted = true
	}
}

// Addresses returns the primary VNIC of a running instance, or asks for it: found is false until it
// is fetched, and err is the error of the last try. A Change follows.
func (b *Book) Addresses(id string) (vnic oci.VNIC, found bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.instances[id]
	if r == nil {
		return oci.VNIC{}, false, nil
	}
	if r.addresses.vnic != nil {
		return *r.addresses.vnic, true, nil
	}
	if !r.addresses.wanted {
		r.addresses.want()
		defer b.asked()
	}
	return oci.VNIC{}, false, r.addresses.err
}

// Wanted are the running instances with requested addresses, and the number of instances in a list
// of all.
func (b *Book) Wanted() (ids []string, all int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, r := range b.instances {
		if r.wantsAddresses() {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, len(b.instances)
}

func (r *record) wantsAddresses() bool {
	return r.addresses.wanted && !r.missing && r.instance.State == oci.StateRunning
}

// Addressed records an instance's primary VNIC, or the error of the search for it; both are nil if
// it has none yet.
func (b *Book) Addressed(id string, vnic *oci.VNIC, err error) []Change {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.instances[id]
	if r == nil {
		return nil
	}
	news := vnic != nil || r.addresses.untold || (err != nil && r.addresses.err == nil)
	r.addresses = addresses{wanted: vnic == nil, vnic: vnic, err: err}
	if !news {
		return nil
	}
	return []Change{b.about(r.instance)}
}

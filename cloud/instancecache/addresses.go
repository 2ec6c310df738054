// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package instancecache

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
func (c *Cache) Addresses(id string) (vnic oci.VNIC, found bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.instances[id]
	if r == nil {
		return oci.VNIC{}, false, nil
	}
	if r.addresses.vnic != nil {
		return *r.addresses.vnic, true, nil
	}
	if !r.addresses.wanted {
		r.addresses.want()
		defer c.asked()
	}
	return oci.VNIC{}, false, r.addresses.err
}

// Wanted are the running instances with requested addresses, and the number of instances in a list
// of all.
func (c *Cache) Wanted() (ids []string, all int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, r := range c.instances {
		if r.wantsAddresses() {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, len(c.instances)
}

func (r *record) wantsAddresses() bool {
	return r.addresses.wanted && !r.missing && r.instance.State == oci.StateRunning
}

// Addressed records an instance's primary VNIC, or the error of the search for it; both are nil if
// it has none yet.
func (c *Cache) Addressed(id string, vnic *oci.VNIC, err error) []Change {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.instances[id]
	if r == nil {
		return nil
	}
	news := vnic != nil || r.addresses.untold || (err != nil && r.addresses.err == nil)
	r.addresses = addresses{wanted: vnic == nil, vnic: vnic, err: err}
	if !news {
		return nil
	}
	return []Change{c.about(r.instance)}
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package instancecache

import (
	"maps"
	"slices"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
)

// Booted are the availability domains with machines' instances that run and were not told of
// before. There are none while a requested instance is on its way: what is asked about those that
// come up together is asked once.
func (c *Cache) Booted() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var running []*record
	for _, r := range c.instances {
		if r.busy() {
			return nil
		}
		if r.ours && !r.missing && !r.booted && r.instance.State == oci.StateRunning && r.instance.Tags[infrav1.MachineUIDTag] != "" {
			running = append(running, r)
		}
	}
	domains := map[string]bool{}
	for _, r := range running {
		r.booted = true
		domains[r.instance.AvailabilityDomain] = true
	}
	return slices.Sorted(maps.Keys(domains))
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package instancecache_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
)

func TestTheDomainsOfWhatHasComeUpAreToldOnceNothingIsOnItsWay(t *testing.T) {
	g := NewWithT(t)
	d := newDiary()
	in := func(domain, id string, state oci.LifecycleState) oci.Instance {
		instance := machineInstance(id, state)
		instance.AvailabilityDomain = domain
		return instance
	}
	pooled := in("AD-3", "pooled", oci.StateRunning)
	pooled.Tags = map[string]string{infrav1.MachinePoolUIDTag: "p"}
	d.Note(in("AD-1", "a", oci.StateProvisioning), d.now)
	d.Note(in("AD-2", "b", oci.StateProvisioning), d.now)
	d.Note(in("AD-1", "c", oci.StateProvisioning), d.now)
	g.Expect(d.Booted()).To(BeEmpty())

	d.pass(time.Second)
	show := func(state oci.LifecycleState) {
		d.poll(in("AD-1", "a", oci.StateRunning), in("AD-2", "b", oci.StateRunning), in("AD-1", "c", state), pooled,
			in("AD-4", "of another manager", oci.StateRunning))
		for _, id := range []string{"a", "b", "c", "pooled"} {
			d.Instance(id)
			d.Addressed(id, &oci.VNIC{}, nil)
		}
	}
	show(oci.StateProvisioning)
	g.Expect(d.Booted()).To(BeEmpty(), "one is on its way")

	show(oci.StateRunning)
	g.Expect(d.Booted()).To(Equal([]string{"AD-1", "AD-2"}), "a pool's volumes are looked for otherwise, and who is not ours asks for himself")
	g.Expect(d.Booted()).To(BeEmpty())

	d.Instance("of another manager")
	g.Expect(d.Booted()).To(Equal([]string{"AD-4"}), "it is asked for after all")
}

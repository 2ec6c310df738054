// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package instancecache_test

import (
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/placement"
)

func TestUncountedIsWhatNoMachineInSightCountsFor(t *testing.T) {
	g := NewWithT(t)
	d := newDiary()
	sized := func(id string, state oci.LifecycleState, machine string, ocpus float64) oci.Instance {
		return oci.Instance{OCPUs: ocpus, MemoryGB: 6, Resource: oci.Resource{ID: id, State: state, Tags: map[string]string{
			infrav1.MachineUIDTag: "uid", infrav1.MachineNameTag: "ns/" + machine,
		}}}
	}
	ofPool := oci.Instance{OCPUs: 1, Resource: oci.Resource{ID: "pooled", State: oci.StateRunning, Tags: map[string]string{
		infrav1.MachinePoolUIDTag: "uid-pool",
	}}}
	d.poll(sized("known", oci.StateRunning, "known", 2), sized("larger", oci.StateRunning, "larger", 4), sized("lost", oci.StateStopped, "lost", 2),
		sized("twin-1", oci.StateRunning, "twin", 2), sized("twin-2", oci.StateRunning, "twin", 2), ofPool,
		sized("ended", oci.StateTerminated, "gone", 2), oci.Instance{Shape: "somebody-elses", Resource: oci.Resource{State: oci.StateRunning}})
	of := func(machine string) ownership.Mark { return ownership.Machine("uid", "ns", machine).Mark() }
	counted := map[ownership.Mark]placement.Size{}
	for _, machine := range []string{"known", "larger", "twin"} {
		counted[of(machine)] = placement.SizeOf(2, 6)
	}

	uncounted := map[string]placement.Size{}
	for _, instance := range d.Uncounted(func(mark ownership.Mark) placement.Size { return counted[mark] }) {
		uncounted[strings.TrimRight(instance.ID, "-12")] = instance.Size
	}
	g.Expect(uncounted).To(Equal(map[string]placement.Size{
		"larger": {OCPUs: 2}, "lost": placement.SizeOf(2, 6), "twin": placement.SizeOf(2, 6), "pooled": placement.SizeOf(1, 0),
	}))
	g.Expect(d.Others()).To(HaveLen(1))
	g.Expect(d.Others()[0].Shape).To(Equal("somebody-elses"))
}

func TestWhatOneListLeavesOutIsCountedStill(t *testing.T) {
	g := NewWithT(t)
	d := newDiary()
	lost := machineInstance("lost", oci.StateRunning)
	lost.OCPUs = 2
	uncounted := func() int {
		return len(d.Uncounted(func(ownership.Mark) placement.Size { return placement.Size{} }))
	}
	d.poll(lost)
	for range 3 {
		d.pass(time.Minute)
		d.poll()
		g.Expect(uncounted()).To(Equal(1), "a list may lag")
		d.pass(time.Minute)
		d.poll(lost)
		g.Expect(uncounted()).To(Equal(1))
	}
	d.pass(time.Minute)
	d.poll()
	d.pass(time.Minute)
	d.poll()
	g.Expect(uncounted()).To(BeZero(), "two lists in a row left it out")
	d.Note(lost, d.now)
	g.Expect(uncounted()).To(Equal(1))

	lost.State = oci.StateTerminating
	d.poll(lost)
	g.Expect(uncounted()).To(Equal(1))
	d.pass(time.Minute)
	d.poll()
	g.Expect(uncounted()).To(BeZero(), "it was about to go")
}

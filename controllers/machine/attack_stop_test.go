// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"testing"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

// Oracle, or whoever else may, stops the instance at a bad moment of an update in place.
func TestAnInstanceThatSomebodyStopsDuringItsUpdateIsStartedAndUpdated(t *testing.T) {
	t.Parallel()
	memory := func(s *infrav1.OCIMeshMachineSpec) { s.Shapes[0].MemoryGB = 12 }
	for name, world := range map[string]struct {
		change func(*infrav1.OCIMeshMachineSpec)
		fault  sim.Fault
		until  func(g Gomega, update infrav1.UpdateStatus)
		memory int32
	}{
		"before anything is done": {change: unchanged, until: func(Gomega, infrav1.UpdateStatus) {}, memory: 6},
		"before OCI is asked": {
			change: memory, until: func(g Gomega, update infrav1.UpdateStatus) { g.Expect(update.Step).To(Equal(infrav1.UpdateResize)) }, memory: 12,
		},
		"after OCI has refused": {
			change: memory, fault: sim.Fault{Operation: "UpdateInstance", Status: 400, Code: "LimitExceeded", Message: "limits were exceeded"},
			until: func(g Gomega, update infrav1.UpdateStatus) { g.Expect(update.Refusal).NotTo(BeEmpty()) }, memory: 12,
		},
		"while the node settles": {
			change: memory, until: func(g Gomega, update infrav1.UpdateStatus) {
				g.Expect(update.Step).To(BeEmpty())
				g.Expect(update.NotBefore.IsZero()).To(BeFalse())
			}, memory: 12,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{})
			own := b.machine(t, "machine", aMachine)
			b.untilProvisioned(t, own)
			if world.fault.Operation != "" {
				b.OCI.AddFault(world.fault)
			}
			b.updates(t, own, world.change)
			b.until(t, own, func(g Gomega) {
				world.until(g, own.Status.Update)
				g.Expect(b.OCI.InstanceState(own.Status.Instance.ID)).To(Equal(string(oci.StateRunning)))
			})
			b.stop(t, own)

			b.until(t, own, func(g Gomega) {
				b.sleep(settling)
				g.Expect(own.Status.Stop.Starts).To(BeEquivalentTo(1), "%v", own.Status.Conditions)
			})
			b.sleep(10 * settling)
			b.untilUpdated(t, own)

			g.Expect(helpers.MessageOf(own, infrav1.InstanceReadyCondition)).To(ContainSubstring("it was started again at"))
			g.Expect(b.instance(t, own.Status.Instance.ID).MemoryGB).To(BeEquivalentTo(world.memory))
			g.Expect(b.calls("LaunchInstance")).To(Equal(1))
		})
	}
}

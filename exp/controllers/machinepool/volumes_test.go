// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool_test

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

// rescue detaches the data volume of the first machine, as somebody does who wants to keep it.
func (b *bench) rescue(t *testing.T) (machine, instance, volume string) {
	t.Helper()
	first := b.machines(t)[0]
	machine, instance = first.Name, strings.TrimPrefix(first.Spec.ProviderID, "oci://")
	c := b.console(t)
	eventually(NewWithT(t), func(g Gomega) { g.Expect(c.attachments(t, instance)).To(HaveLen(1)) })
	volume = c.volumeOf(t, instance)
	c.detach(t, instance)
	return machine, instance, volume
}

func (b *bench) deleteMachine(t *testing.T, name string) {
	t.Helper()
	machine := &clusterv1.Machine{ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace, Name: name}}
	NewWithT(t).Expect(b.Client.Delete(t.Context(), machine)).To(Succeed())
}

func TestADetachedVolumeOutlivesItsMachineAndItsPool(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 2)
	b.untilReady(t, 2)
	name, instance, volume := b.rescue(t)

	b.scaleTo(t, 1)
	b.deleteMachine(t, name)
	b.until(t, func(g Gomega) { g.Expect(names(b.machines(t))).NotTo(ContainElement(name)) })
	b.untilReady(t, 1)
	g.Expect(b.OCI.InstanceState(instance)).To(Equal("TERMINATED"))
	g.Expect(b.console(t).volumeState(t, volume)).To(Equal("AVAILABLE"))
	g.Expect(b.left(t, "volume")).To(Equal(2))

	b.delete(t)
	g.Expect(b.console(t).volumeState(t, volume)).To(Equal("AVAILABLE"))
	g.Expect(b.left(t, "volume")).To(Equal(1))
	g.Expect(b.recorder.Events()).To(ContainElement(And(ContainSubstring("VolumesLeft"), ContainSubstring(volume))))
}

// OCI refuses to take an instance out of a pool that changes, for as long as it likes.
func TestAVolumeThatIsDetachedWhileTheEndIsRefusedStays(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 1)
	b.untilReady(t, 1)
	b.OCI.AddFault(sim.Fault{Operation: "DetachInstancePoolInstance", Status: 409, Code: "IncorrectState", Times: -1})
	name := b.machines(t)[0].Name
	b.scaleTo(t, 0)
	b.deleteMachine(t, name)
	b.until(t, func(g Gomega) {
		machines := b.machines(t)
		g.Expect(machines).To(HaveLen(1))
		g.Expect(machines[0].Status.Leaving.VolumeIDs).To(HaveLen(1))
		g.Expect(b.calls("DetachInstancePoolInstance")).NotTo(BeZero())
	})

	_, _, volume := b.rescue(t)
	b.sleep(recordLife)
	b.until(t, func(g Gomega) { g.Expect(b.machines(t)[0].Status.Leaving.VolumeIDs).To(BeEmpty()) })
	b.OCI.ClearFaults()
	b.until(t, func(g Gomega) { g.Expect(b.machines(t)).To(BeEmpty()) })

	g.Expect(b.console(t).volumeState(t, volume)).To(Equal("AVAILABLE"))
	g.Expect(b.recorder.Events()).To(ContainElement(And(ContainSubstring("VolumesLeft"), ContainSubstring(volume))))
}

func TestAVolumeThatSomebodyAttachedToAnotherInstanceHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 2)
	b.untilReady(t, 2)
	first, second := b.machines(t)[0], strings.TrimPrefix(b.machines(t)[1].Spec.ProviderID, "oci://")
	instance := strings.TrimPrefix(first.Spec.ProviderID, "oci://")
	c := b.console(t)
	volume := c.volumeOf(t, instance)
	// The machine's end gets stuck with its volume: somebody takes that for himself.
	b.OCI.AddFault(sim.Fault{Operation: "DeleteVolume", Status: 503, Code: "ServiceUnavailable", Times: -1})
	b.scaleTo(t, 1)
	b.deleteMachine(t, first.Name)
	b.until(t, func(g Gomega) { g.Expect(b.calls("DeleteVolume")).NotTo(BeZero()) })
	c.attach(t, volume, second)
	b.OCI.ClearFaults()

	b.until(t, func(g Gomega) { g.Expect(names(b.machines(t))).NotTo(ContainElement(first.Name)) })

	g.Expect(c.volumeState(t, volume)).To(Equal("AVAILABLE"))
	g.Expect(b.recorder.Events()).To(ContainElement(And(ContainSubstring("VolumesLeft"), ContainSubstring(volume))))
}

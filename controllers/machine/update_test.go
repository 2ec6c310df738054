// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"testing"

	. "github.com/onsi/gomega"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/updates"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

// updates marks the machine as Cluster API does, and changes its spec.
func (b *bench) updates(t *testing.T, own *infrav1.OCIMeshMachine, change func(*infrav1.OCIMeshMachineSpec)) {
	t.Helper()
	b.Reload(t, own)
	before := own.DeepCopy()
	own.Annotations = map[string]string{clusterv1.UpdateInProgressAnnotation: ""}
	for key, value := range before.Annotations {
		own.Annotations[key] = value
	}
	change(&own.Spec)
	NewWithT(t).Expect(b.Client.Patch(t.Context(), own, client.MergeFrom(before))).To(Succeed())
}

// untilUpdated lets the time after a restart pass.
func (b *bench) untilUpdated(t *testing.T, own *infrav1.OCIMeshMachine) {
	t.Helper()
	b.until(t, own, func(g Gomega) {
		if !own.Status.Update.NotBefore.IsZero() && own.Status.Update.Refusal == "" {
			b.sleep(settling)
		}
		g.Expect(helpers.ConditionsOf(own)).To(ContainElement("Updated True Ready"), "messages: %v", own.Status.Conditions)
	})
}

// done takes the mark away, as Cluster API does.
func (b *bench) done(t *testing.T, own *infrav1.OCIMeshMachine) {
	t.Helper()
	before := own.DeepCopy()
	delete(own.Annotations, clusterv1.UpdateInProgressAnnotation)
	NewWithT(t).Expect(b.Client.Patch(t.Context(), own, client.MergeFrom(before))).To(Succeed())
	b.until(t, own, func(g Gomega) {
		g.Expect(helpers.ConditionsOf(own)).NotTo(ContainElement(HavePrefix("Updated ")))
		g.Expect(helpers.ConditionsOf(own)).To(ContainElement("Ready True Ready"))
	})
}

// losesStatus is what becomes of a machine that is moved or restored: no status is taken along.
func (b *bench) losesStatus(t *testing.T, own *infrav1.OCIMeshMachine) {
	t.Helper()
	b.Reload(t, own)
	own.Status = infrav1.OCIMeshMachineStatus{}
	NewWithT(t).Expect(b.Client.Status().Update(t.Context(), own)).To(Succeed())
}

// client is of the account that the machine is in.
func (b *bench) client(t *testing.T) *oci.Client {
	t.Helper()
	c, err := b.Clients.OCI(t.Context(), b.Accounts[0])
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return c
}

func (b *bench) instance(t *testing.T, id string) oci.Instance {
	t.Helper()
	seen, err := b.client(t).GetInstance(t.Context(), id)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return seen
}

func (b *bench) bootVolumeGB(t *testing.T, own *infrav1.OCIMeshMachine) int64 {
	t.Helper()
	volume, found, err := b.client(t).BootVolumeAt(t.Context(), own.Status.Placement.AvailabilityDomain, own.Status.Instance.ID)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(found).To(BeTrue())
	return volume.GB
}

func aMachine(_ *clusterv1.Machine, own *infrav1.OCIMeshMachine) {
	own.Spec.Shapes = []infrav1.Shape{{Name: "VM.Standard.A1.Flex", OCPUs: 1, MemoryGB: 6}}
	own.Spec.Tags = map[string]string{"team": "red", "stage": "test"}
	own.Spec.BootVolume = infrav1.BootVolume{SizeGB: 50}
}

type specChange struct {
	change func(*infrav1.OCIMeshMachineSpec)
	// restarts is how often OCI is asked for something that restarts the instance.
	resizes, restarts int
	gb                int
}

// specChanges are those of a running machine.
var specChanges = map[string]specChange{
	"other tags, without a restart": {
		change: func(s *infrav1.OCIMeshMachineSpec) { s.Tags = map[string]string{"team": "blue", "room": "4"} },
	},
	"a larger size, with one": {
		change: func(s *infrav1.OCIMeshMachineSpec) { s.Shapes[0].OCPUs, s.Shapes[0].MemoryGB = 2, 12 }, resizes: 1,
	},
	"a larger boot volume, with one": {
		change: func(s *infrav1.OCIMeshMachineSpec) { s.BootVolume.SizeGB = 60 }, restarts: 1, gb: 60,
	},
	"all of it, with one": {
		change: func(s *infrav1.OCIMeshMachineSpec) {
			s.Tags = nil
			s.Shapes[0].MemoryGB, s.BootVolume.SizeGB = 12, 70
		},
		resizes: 1, gb: 70,
	},
	"nothing, if only the Machine has changed": {change: func(*infrav1.OCIMeshMachineSpec) {}},
}

func TestAnInstanceBecomesInPlaceWhatItsChangedSpecWants(t *testing.T) {
	t.Parallel()
	for name, world := range specChanges {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{})
			own := b.machine(t, "machine", controlPlane, aMachine)
			b.untilProvisioned(t, own)
			id, device, tagging := own.Status.Instance.ID, own.Status.Tailnet.DeviceID, b.calls("UpdateInstance")

			b.updates(t, own, world.change)
			b.untilUpdated(t, own)

			machines := b.instances(t)
			g.Expect(machines).To(HaveLen(1))
			g.Expect(own.Status.Instance.ID).To(Equal(id))
			g.Expect(machines[0].ID).To(Equal(id))
			g.Expect(own.Status.Tailnet.DeviceID).To(Equal(device))
			seen := b.instance(t, id)
			g.Expect(seen.OCPUs).To(BeEquivalentTo(own.Spec.Shapes[0].OCPUs))
			g.Expect(seen.MemoryGB).To(BeEquivalentTo(own.Spec.Shapes[0].MemoryGB))
			for _, tag := range []string{"team", "stage", "room"} {
				g.Expect(seen.Tags[tag]).To(Equal(own.Spec.Tags[tag]), tag)
			}
			g.Expect(seen.Tags).To(HaveKey(infrav1.MachineUIDTag))
			g.Expect(b.calls("InstanceAction")).To(Equal(world.restarts))
			g.Expect(b.calls("LaunchInstance")).To(Equal(1))
			g.Expect(b.calls("UpdateInstance") - tagging).To(BeNumerically("<=", world.resizes+1))
			if world.gb != 0 {
				g.Expect(b.bootVolumeGB(t, own)).To(BeEquivalentTo(world.gb))
			}
			g.Expect(own.Status.Update).To(Equal(infrav1.UpdateStatus{}))
			b.done(t, own)
			g.Expect(b.Control.Devices()[0].Enabled).NotTo(BeEmpty(), "the virtual address is back")
			b.delete(t, own)
			b.expectNothingLeft(t)
		})
	}
}

func TestAControlPlaneLeavesTheVIPBeforeItIsRestarted(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own := b.machine(t, "machine", controlPlane, aMachine)
	b.untilProvisioned(t, own)
	b.updates(t, own, func(s *infrav1.OCIMeshMachineSpec) { s.Shapes[0].MemoryGB = 12 })
	b.until(t, own, func(g Gomega) { g.Expect(own.Status.Update.WorkRequestID).NotTo(BeEmpty()) })
	g.Expect(b.Control.Devices()[0].Enabled).To(BeEmpty())
	g.Expect(helpers.ConditionsOf(own)).To(ContainElement("Ready False Updating"))
	b.untilUpdated(t, own)
	b.delete(t, own)
}

func TestWhatOCIRefusesOfAnUpdateIsToldAndTriedAgainLater(t *testing.T) {
	t.Parallel()
	for name, world := range map[string]struct {
		fault sim.Fault
		want  string
	}{
		"no room on the host": {
			sim.Fault{Operation: "UpdateInstance", Status: 500, Code: "InternalError", Message: "Out of host capacity."},
			"Updated False OutOfCapacity",
		},
		"a limit": {
			sim.Fault{Operation: "UpdateInstance", Status: 400, Code: "LimitExceeded", Message: "The following service limits were exceeded"},
			"Updated False LimitExceeded",
		},
		"nothing that OCI knows": {
			sim.Fault{Operation: "UpdateInstance", Status: 400, Code: "InvalidParameter", Message: "not so"},
			"Updated False RequestRefused",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{})
			own := b.machine(t, "machine", controlPlane, aMachine)
			b.untilProvisioned(t, own)
			world.fault.Times = -1
			b.OCI.AddFault(world.fault)

			b.updates(t, own, func(s *infrav1.OCIMeshMachineSpec) { s.Shapes[0].MemoryGB = 12 })
			b.untilCondition(t, own, world.want)
			calls := b.calls("UpdateInstance")
			b.until(t, own, func(g Gomega) {
				g.Expect(b.Control.Devices()[0].Enabled).NotTo(BeEmpty(), "the machine runs on with the virtual address")
			})
			for range 3 {
				b.pass(t, own)
			}
			g.Expect(b.calls("UpdateInstance")).To(Equal(calls))

			b.OCI.ClearFaults()
			b.sleep(updates.FirstRetry)
			b.untilUpdated(t, own)
			g.Expect(b.instance(t, own.Status.Instance.ID).MemoryGB).To(BeEquivalentTo(12))
			b.delete(t, own)
		})
	}
}

func TestALostAnswerRestartsAnInstanceOnce(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own := b.machine(t, "machine", aMachine)
	b.untilProvisioned(t, own)
	b.OCI.AddFault(sim.Fault{Operation: "UpdateInstance", AfterCommit: true, Reset: true})
	b.updates(t, own, func(s *infrav1.OCIMeshMachineSpec) { s.Shapes[0].MemoryGB = 12 })
	b.untilUpdated(t, own)
	g.Expect(b.booter.stopped()).To(Equal(1))
	b.delete(t, own)
}

func TestTheBudgetBoundsAnUpdate(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own := b.machine(t, "machine", aMachine)
	b.untilProvisioned(t, own)
	account := b.Accounts[0]
	b.Reload(t, account)
	six := int32(6)
	account.Spec.Budget.Families = []infrav1.FamilyBudget{{Family: "Standard.A1", MemoryGB: &six}}
	g.Expect(b.Client.Update(t.Context(), account)).To(Succeed())
	calls := b.calls("UpdateInstance")

	b.updates(t, own, func(s *infrav1.OCIMeshMachineSpec) { s.Shapes[0].MemoryGB = 12 })
	b.untilCondition(t, own, "Updated False BudgetExceeded")
	g.Expect(b.calls("UpdateInstance")).To(Equal(calls))

	b.updates(t, own, func(s *infrav1.OCIMeshMachineSpec) { s.Shapes[0].MemoryGB = 6 })
	b.untilUpdated(t, own)
	b.delete(t, own)
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/placement"
)

// grown is a machine in alice that was granted 2 OCPUs and whose spec asks for more.
func (w *world) grown(ocpus int32) Request {
	machine := machineIn("old", at(1, "alice"))
	machine.Status.Size = infrav1.MachineSizeStatus{OCPUs: 2, MemoryGB: 12, BootVolumeGB: 50}
	machine.Spec.Shapes[0].OCPUs = ocpus
	w.put(machine)
	request := requestOf(machine)
	request.InfraCluster = w.cluster
	return request
}

// hasRoom tells whether alice has room for another machine of 2 OCPUs.
func (w *world) hasRoom(t *testing.T) bool {
	t.Helper()
	request := w.request("new")
	_, refusal, err := w.scheduler.Schedule(t.Context(), request)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	w.scheduler.Cancel(t.Context(), request.Key)
	return refusal == nil
}

func (w *world) stays(t *testing.T, request Request) *Refusal {
	t.Helper()
	refusal, err := w.scheduler.Stay(t.Context(), request)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return refusal
}

func ocpus(n int32) infrav1.FamilyBudget {
	return infrav1.FamilyBudget{Family: armFamily, OCPUs: ptr.To(n)}
}

func TestASizeThatIsAskedForAndRefusedCountsForNobody(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	w := newWorld(t, nil, "alice")
	w.budget(0, ocpus(4))
	asks := w.grown(8)
	g.Expect(w.hasRoom(t)).To(BeTrue(), "before the budget is asked")

	refusal := w.stays(t, asks)

	g.Expect(refusal.Reason).To(Equal(infrav1.BudgetExceededReason))
	g.Expect(refusal.Message).To(HaveSuffix("raise spec.budget of OCIAccount alice, or delete machines in it; or take the size back"))
	g.Expect(w.hasRoom(t)).To(BeTrue(), "after it was refused")
}

func TestAGrantedSizeCountsUntilItIsWrittenOrGivenBack(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	w := newWorld(t, nil, "alice")
	w.budget(0, ocpus(4))
	asks := w.grown(4)

	g.Expect(w.stays(t, asks)).To(BeNil())
	g.Expect(w.hasRoom(t)).To(BeFalse(), "before its status shows it")
	g.Expect(w.stays(t, asks)).To(BeNil(), "its own size is not in its way")
	w.scheduler.GiveBack(asks.Key)
	g.Expect(w.hasRoom(t)).To(BeTrue())

	g.Expect(w.stays(t, asks)).To(BeNil())
	written := machineIn("old", at(1, "alice"))
	written.Spec = asks.Spec
	written.Status.Size = infrav1.MachineSizeStatus{OCPUs: 4, MemoryGB: 12, BootVolumeGB: 50}
	w.put(written)
	g.Expect(w.hasRoom(t)).To(BeFalse())
	w.scheduler.GiveBack(asks.Key)
	g.Expect(w.hasRoom(t)).To(BeFalse(), "what is written is not taken back")
	w.restart(t)
	g.Expect(w.hasRoom(t)).To(BeFalse(), "after a restart")

	// OCI has made it smaller, and its status says so.
	written.Status.Size.OCPUs = 2
	w.put(written)
	g.Expect(w.hasRoom(t)).To(BeTrue())
}

func TestOnlyWhatGrowsIsHeldAgainstABudgetThatIsBelowUse(t *testing.T) {
	t.Parallel()
	below := infrav1.FamilyBudget{Family: armFamily, OCPUs: ptr.To[int32](2), MemoryGB: ptr.To[int32](32)}
	for name, world := range map[string]struct {
		families []infrav1.FamilyBudget
		volumeGB *int32
		change   func(*infrav1.OCIMeshMachineSpec)
		refused  string
	}{
		"a smaller size": {
			families: []infrav1.FamilyBudget{below}, change: func(s *infrav1.OCIMeshMachineSpec) { s.Shapes[0].OCPUs, s.Shapes[0].MemoryGB = 1, 6 },
		},
		"fewer OCPUs, and memory that there is": {
			families: []infrav1.FamilyBudget{below}, change: func(s *infrav1.OCIMeshMachineSpec) { s.Shapes[0].OCPUs, s.Shapes[0].MemoryGB = 1, 20 },
		},
		"fewer OCPUs, and too much memory": {
			families: []infrav1.FamilyBudget{below}, change: func(s *infrav1.OCIMeshMachineSpec) { s.Shapes[0].OCPUs, s.Shapes[0].MemoryGB = 1, 21 },
			refused: "its budget has 20 of 32 GB of memory of Standard.A1 left, and 21 are needed",
		},
		"more OCPUs": {
			families: []infrav1.FamilyBudget{below}, change: func(s *infrav1.OCIMeshMachineSpec) { s.Shapes[0].OCPUs = 3 },
			refused: "its budget has 0 of 2 OCPUs of Standard.A1 left, and 3 are needed",
		},
		"a larger volume": {
			families: []infrav1.FamilyBudget{below}, volumeGB: ptr.To[int32](110),
			change: func(s *infrav1.OCIMeshMachineSpec) { s.BootVolume.SizeGB = 60 },
		},
		"a volume that is too large": {
			families: []infrav1.FamilyBudget{below}, volumeGB: ptr.To[int32](110),
			change:  func(s *infrav1.OCIMeshMachineSpec) { s.BootVolume.SizeGB = 61 },
			refused: "its budget has 60 of 110 GB of volumes left, and 61 are needed",
		},
		"a larger volume in a family that is listed no longer": {
			families: []infrav1.FamilyBudget{{Family: "Standard.E5"}}, change: func(s *infrav1.OCIMeshMachineSpec) { s.BootVolume.SizeGB = 60 },
		},
		"more memory in a family that is listed no longer": {
			families: []infrav1.FamilyBudget{{Family: "Standard.E5"}}, change: func(s *infrav1.OCIMeshMachineSpec) { s.Shapes[0].MemoryGB = 13 },
			refused: "its budget does not list family Standard.A1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			w := newWorld(t, nil, "alice")
			w.accounts[0].Spec.Budget = infrav1.AccountBudget{Families: world.families, VolumeGB: world.volumeGB}
			w.put(machineIn("other", at(1, "alice")))
			asks := w.grown(2)
			world.change(&asks.Spec)

			refusal := w.stays(t, asks)

			if world.refused == "" {
				g.Expect(refusal).To(BeNil())
				return
			}
			g.Expect(refusal.Reason).To(Equal(infrav1.BudgetExceededReason))
			g.Expect(refusal.Message).To(ContainSubstring(world.refused))
		})
	}
}

// A status that was lost or is older has no size: what the spec has by now may be what was refused.
func TestAFigureThatIsNotRecordedIsAskedForAsAWhole(t *testing.T) {
	t.Parallel()
	const micro = "VM.Standard.E2.1.Micro"
	below := infrav1.FamilyBudget{Family: "Standard.E2", OCPUs: ptr.To[int32](0)}
	tooLarge := "its budget has 110 of 110 GB of volumes left, and 120 are needed"
	for name, world := range map[string]struct {
		shape    string
		families []infrav1.FamilyBudget
		written  infrav1.MachineSizeStatus
		found    infrav1.MachineSizeStatus
		refused  string
	}{
		"no size":                       {refused: tooLarge},
		"no boot volume":                {written: infrav1.MachineSizeStatus{OCPUs: 2, MemoryGB: 12}, refused: tooLarge},
		"a boot volume found just now":  {found: infrav1.MachineSizeStatus{OCPUs: 2, MemoryGB: 12, BootVolumeGB: 50}, refused: tooLarge},
		"the larger one found just now": {found: infrav1.MachineSizeStatus{OCPUs: 2, MemoryGB: 12, BootVolumeGB: 120}},
		"no OCPUs": {
			families: []infrav1.FamilyBudget{{Family: armFamily, OCPUs: ptr.To[int32](1)}}, written: infrav1.MachineSizeStatus{BootVolumeGB: 120},
			refused: "its budget has 1 of 1 OCPUs of Standard.A1 left, and 2 are needed",
		},
		"no OCPUs of a shape that fixes them": {shape: micro, families: []infrav1.FamilyBudget{below}, written: infrav1.MachineSizeStatus{BootVolumeGB: 120}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			w := newWorld(t, nil, "alice")
			w.accounts[0].Spec.Budget = infrav1.AccountBudget{Families: world.families, VolumeGB: ptr.To[int32](110)}
			w.scheduler.reservations.learn(placement.Sizes{micro: {OCPUs: 1, MemoryGB: 1}})
			machine := machineIn("old", at(1, "alice"))
			machine.Spec.BootVolume.SizeGB, machine.Status.Size = 120, world.written
			if world.shape != "" {
				machine.Spec.Shapes, machine.Status.Placement.Shape = []infrav1.Shape{{Name: world.shape}}, world.shape
			}
			w.put(machine)
			asks := requestOf(machine)
			if world.found != (infrav1.MachineSizeStatus{}) {
				asks.Granted = world.found
			}

			refusal := w.stays(t, asks)

			if world.refused == "" {
				g.Expect(refusal).To(BeNil())
				return
			}
			g.Expect(refusal).NotTo(BeNil())
			g.Expect(refusal.Reason).To(Equal(infrav1.BudgetExceededReason))
			g.Expect(refusal.Message).To(ContainSubstring(world.refused))
		})
	}
}

func TestTheAdviceForAFreeAccountIsNotToRaiseItsBudget(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	w := newWorld(t, nil, "alice", "bob")
	w.accounts[0].Spec.Budget = infrav1.AccountBudget{AlwaysFree: ptr.To(true)}
	w.budget(1, ocpus(1))
	asks := w.grown(4)
	const allowance = "delete machines in OCIAccount alice, whose Always Free allowance is used up; or, if the tenancy is Pay As You Go"

	_, refusal, err := w.scheduler.Schedule(t.Context(), w.request("new"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(refusal.Message).To(And(ContainSubstring(allowance), ContainSubstring("raise spec.budget of OCIAccount bob, or")))

	g.Expect(w.stays(t, asks).Message).To(And(ContainSubstring(allowance), Not(ContainSubstring("raise"))))
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
)

// as is the pool's machine with another shape.
func (p Pool) as(shape infrav1.Shape) infrav1.OCIMeshMachineSpec {
	spec := p.Machine
	spec.Shapes = []infrav1.Shape{shape}
	return spec
}

func armOf(ocpus int32) infrav1.Shape { return infrav1.Shape{Name: arm, OCPUs: ocpus, MemoryGB: 12} }

func (w *world) reshape(t *testing.T, pool Pool, wanted infrav1.OCIMeshMachineSpec) *Refusal {
	t.Helper()
	refusal, err := w.scheduler.Reshape(t.Context(), pool, wanted)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return refusal
}

func TestAllInstancesOfAPoolNeedRoomInAnotherShape(t *testing.T) {
	t.Parallel()
	other := poolIn("other", 1)
	for name, world := range map[string]struct {
		budget  int32
		shape   infrav1.Shape
		size    int
		shown   int
		refused string
	}{
		"room for all":                    {budget: 10, shape: armOf(4), size: 2, shown: 2},
		"none for the last":               {budget: 8, shape: armOf(4), size: 2, shown: 2, refused: "its budget has 6 of 8 OCPUs of Standard.A1 left, and 8 are needed"},
		"none for those that are to come": {budget: 8, shape: armOf(4), size: 2, refused: "its budget has 6 of 8 OCPUs of Standard.A1 left, and 8 are needed"},
		"a smaller one is not asked for":  {budget: 2, shape: armOf(1), size: 2, shown: 2},
		"the same as well":                {budget: 2, shape: armOf(2), size: 2, shown: 2},
		"nor are OCPUs for more memory":   {budget: 2, shape: infrav1.Shape{Name: arm, OCPUs: 2, MemoryGB: 24}, size: 2, shown: 2},
		"another family":                  {budget: 8, shape: infrav1.Shape{Name: "VM.Standard.E5.Flex", OCPUs: 1, MemoryGB: 6}, size: 1, shown: 1, refused: "its budget does not list family Standard.E5"},
		"an empty pool needs none":        {budget: 0, shape: armOf(4)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			w := newWorld(t, nil, "alice")
			w.budget(0, ocpus(world.budget))
			pool := poolIn("one", world.size)
			w.pools = []Pool{other, pool}
			w.polled(t, shows{}.of(pool, world.shown, oci.StateRunning))

			refusal := w.reshape(t, pool, pool.as(world.shape))

			if world.refused == "" {
				g.Expect(refusal).To(BeNil())
				return
			}
			g.Expect(refusal.Reason).To(Equal(infrav1.BudgetExceededReason))
			g.Expect(refusal.Message).To(And(
				HavePrefix("OCIAccount alice has no room for the pool's %d instances as the spec has them, so that OCI goes on launching them as before: %s",
					world.size, world.refused),
				ContainSubstring("or take the change back")))
		})
	}
}

func TestAShapeThatIsRefusedCountsForNobody(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	w := newWorld(t, nil, "alice")
	w.budget(0, ocpus(8))
	pool, honest := poolIn("one", 2), poolIn("honest", 0)
	w.pools = []Pool{pool, honest}

	g.Expect(w.reshape(t, pool, pool.as(armOf(64)))).NotTo(BeNil())

	g.Expect(w.resize(t, honest, 2)).To(Equal(2))
}

// OCI launches an instance in the place of a lost one, in the shape of the day, and asks nobody.
func TestAShapeThatIsGrantedCountsForInstancesOfTheOneBefore(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	w := newWorld(t, nil, "alice")
	w.budget(0, ocpus(10))
	pool, other := poolIn("one", 2), poolIn("other", 0)
	w.pools = []Pool{pool, other}
	w.polled(t, shows{}.of(pool, 1, oci.StateRunning))

	g.Expect(w.reshape(t, pool, pool.as(armOf(4)))).To(BeNil())
	g.Expect(w.resize(t, other, 2)).To(Equal(1), "before its status shows it")
	g.Expect(w.resize(t, other, 0)).To(Equal(0))

	w.pools[0].Machine = pool.as(armOf(4))
	w.restart(t)
	w.polled(t, shows{}.of(pool, 1, oci.StateRunning))
	g.Expect(w.resize(t, other, 2)).To(Equal(1), "after a restart")
	g.Expect(w.resize(t, other, 0)).To(Equal(0))

	// It is taken back, and OCI was told.
	w.pools[0] = pool
	g.Expect(w.resize(t, pool, 2)).To(Equal(2))
	g.Expect(w.resize(t, other, 2)).To(Equal(2))
}

func TestAPoolThatMayNotGrowIsToldWhatHelps(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	w := newWorld(t, nil, "alice")
	w.budget(0, ocpus(3))
	pool := poolIn("one", 1)
	w.pools = []Pool{pool}
	w.polled(t, shows{}.of(pool, 1, oci.StateRunning))

	_, refusal, err := w.scheduler.Resize(t.Context(), pool, 2)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(refusal.Message).To(ContainSubstring("choose a smaller size: account alice has room for one of 1 OCPUs and 12 GB of memory of " + arm))

	leaving := machineIn("leaving", at(1, "alice"))
	leaving.DeletionTimestamp, leaving.Finalizers = ptr.To(metav1.Now()), []string{infrav1.OCIMeshMachineFinalizer}
	w.put(leaving)
	w.budget(0, ocpus(4))
	_, refusal, err = w.scheduler.Resize(t.Context(), pool, 2)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(refusal.Message).To(ContainSubstring("wait until the machines that are being deleted are gone: then another one fits"))

	w.accounts[0].Spec.Budget = infrav1.AccountBudget{AlwaysFree: ptr.To(true)}
	_, refusal, err = w.scheduler.Resize(t.Context(), pool, 2)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(refusal.Message).To(And(ContainSubstring("whose Always Free allowance is used up"), Not(ContainSubstring("raise"))))
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/model"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

const (
	gpu       = "VM.GPU.A10.1"
	metal     = "BM.GPU.A10.4"
	gpuFamily = "GPU.A10"
)

// withGPUs adds shapes of docs.oracle.com, Compute/References/computeshapes.htm.
func withGPUs(tenancy *sim.Tenancy) {
	tenancy.Shapes = append(model.DefaultShapes(),
		model.Shape{Shape: gpu, ProcessorDescription: "2.6 GHz Intel Xeon Platinum 8358 (Ice Lake)", Ocpus: 15, MemoryInGBs: 240, Arch: "amd64"},
		model.Shape{Shape: metal, ProcessorDescription: "2.6 GHz Intel Xeon Platinum 8358 (Ice Lake)", Ocpus: 64, MemoryInGBs: 1024, Arch: "amd64"})
}

// place schedules a machine of the shape, and writes its placement if it has one.
func (w *world) place(t *testing.T, name, shape string) *Refusal {
	t.Helper()
	request := w.request(name, infrav1.Shape{Name: shape})
	w.written(request, Placement{})
	placed, refusal, err := w.scheduler.Schedule(t.Context(), request)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	w.written(request, placed)
	return refusal
}

func TestGPUsAndBareMetalCountWithTheirSize(t *testing.T) {
	for name, test := range map[string]struct {
		shape   string
		budget  infrav1.FamilyBudget
		fit     int
		message string
	}{
		"a GPU's OCPUs": {
			gpu, infrav1.FamilyBudget{Family: gpuFamily, OCPUs: ptr.To[int32](40)}, 2,
			"its budget has 10 of 40 OCPUs of GPU.A10 left, and 15 are needed",
		},
		"a GPU's memory": {
			gpu, infrav1.FamilyBudget{Family: gpuFamily, MemoryGB: ptr.To[int32](240)}, 1,
			"its budget has 0 of 240 GB of memory of GPU.A10 left, and 240 are needed",
		},
		"bare metal": {
			metal, infrav1.FamilyBudget{Family: gpuFamily, OCPUs: ptr.To[int32](127)}, 1,
			"its budget has 63 of 127 OCPUs of GPU.A10 left, and 64 are needed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			w := newWorld(t, withGPUs, "alice")
			w.budget(0, test.budget)
			for i := range test.fit {
				g.Expect(w.place(t, string(rune('a'+i)), test.shape)).To(BeNil())
			}
			// The sizes of what is there are found out anew.
			w.restart(t)
			refusal := w.place(t, "late", test.shape)
			g.Expect(refusal).NotTo(BeNil())
			g.Expect(refusal.Reason).To(Equal(infrav1.BudgetExceededReason))
			g.Expect(refusal.Message).To(ContainSubstring(test.message))
		})
	}
}

func TestPoolsOfGPUsCountWithTheirSize(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, withGPUs, "alice")
	w.budget(0, infrav1.FamilyBudget{Family: gpuFamily, OCPUs: ptr.To[int32](64)})
	pool := poolIn("one", 0)
	pool.Machine.Shapes = []infrav1.Shape{{Name: gpu}}
	w.pools = []Pool{pool}
	g.Expect(w.place(t, "worker", gpu)).To(BeNil())
	g.Expect(w.resize(t, pool, 10)).To(Equal(3))
	refusal := w.place(t, "late", gpu)
	g.Expect(refusal).NotTo(BeNil())
	g.Expect(refusal.Message).To(ContainSubstring("its budget has 4 of 64 OCPUs of GPU.A10 left"))
}

func TestASizeThatOCIDoesNotTellIsNotGuessed(t *testing.T) {
	const cause = "alice: its budget bounds OCPUs or memory of family GPU.A10, and OCI has not told the size of shape VM.GPU.A10.1"
	g := NewWithT(t)
	w := newWorld(t, withGPUs, "alice", "bob")
	for i := range w.accounts {
		w.budget(i, infrav1.FamilyBudget{Family: gpuFamily, OCPUs: ptr.To[int32](40)})
	}
	w.oci.AddFault(sim.Fault{Operation: "ListShapes", Status: 503, Code: "ServiceUnavailable", Times: -1})
	refusal := w.place(t, "worker", gpu)
	g.Expect(refusal).NotTo(BeNil())
	g.Expect(refusal.Reason).To(Equal(infrav1.ShapeUnknownReason))
	g.Expect(refusal.Message).To(ContainSubstring(cause))
	g.Expect(refusal.RetryAfter).To(Equal(time.Minute))
	pool := poolIn("one", 0)
	pool.Machine.Shapes = []infrav1.Shape{{Name: gpu}}
	_, refusal, err := w.scheduler.Resize(t.Context(), pool, 1)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(refusal.Reason).To(Equal(infrav1.ShapeUnknownReason))

	w.oci.ClearFaults()
	g.Expect(w.place(t, "worker", gpu)).To(BeNil())
	g.Expect(w.resize(t, pool, 1)).To(Equal(1))

	// One that no account knows is asked for once in a while.
	asked := w.oci.CallCounts("alice")["ListShapes"]
	refusal = w.place(t, "retired", "VM.GPU.A10.3")
	g.Expect(refusal.Reason).To(Equal(infrav1.ShapeUnknownReason))
	w.place(t, "another", "VM.GPU.A10.3")
	g.Expect(w.oci.CallCounts("alice")["ListShapes"]).To(BeNumerically("<=", asked+1))
}

func TestASizeIsAskedForOnlyWhereItCounts(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, withGPUs, "alice")
	w.budget(0, infrav1.FamilyBudget{Family: gpuFamily, Instances: ptr.To[int32](2)})
	g.Expect(w.place(t, "one", gpu)).To(BeNil())
	asked := w.oci.CallCounts("alice")["ListShapes"]
	g.Expect(w.place(t, "two", gpu)).To(BeNil())
	g.Expect(w.place(t, "three", gpu).Reason).To(Equal(infrav1.BudgetExceededReason))
	g.Expect(w.oci.CallCounts("alice")["ListShapes"]).To(Equal(asked))

	// A poll that shows an instance tells it without a call.
	w.budget(0, infrav1.FamilyBudget{Family: gpuFamily, OCPUs: ptr.To[int32](30)})
	w.polled(t, shows{{
		Resource: oci.Resource{ID: "one", State: oci.StateRunning, Tags: map[string]string{infrav1.MachineUIDTag: "uid-one"}},
		Shape:    gpu, OCPUs: 15, MemoryGB: 240,
	}})
	refusal := w.place(t, "three", gpu)
	g.Expect(refusal.Message).To(ContainSubstring("its budget has 0 of 30 OCPUs of GPU.A10 left"))
	g.Expect(w.oci.CallCounts("alice")["ListShapes"]).To(Equal(asked))
}

func TestTheSumsAreCorrectedWhenASizeBecomesKnown(t *testing.T) {
	g := NewWithT(t)
	r := &reservations{}
	at := infrav1.Placement{Attempt: 1, Account: "alice", Shape: gpu}
	machine := machineIn("worker", at)
	machine.Spec.Shapes = []infrav1.Shape{{Name: gpu}}
	r.observe(machine)
	used, _ := r.tells(nobodysName)
	g.Expect(used).To(Equal(map[string]int64{"alice": 0}))
	g.Expect(r.unsizedThere()).To(Equal([]string{gpu}))

	r.learn(sizesOf([]oci.Instance{{Shape: gpu, OCPUs: 15, MemoryGB: 240}, {Shape: arm, OCPUs: 2, MemoryGB: 12}}))
	used, _ = r.tells(nobodysName)
	g.Expect(used).To(Equal(map[string]int64{"alice": 15}))
	g.Expect(r.unsizedThere()).To(BeEmpty())
	r.forget(client.ObjectKeyFromObject(machine))
	g.Expect(r.used["alice"]).To(BeEmpty())
}

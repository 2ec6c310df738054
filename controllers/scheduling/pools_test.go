// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

// poolIn is a pool in alice that has a size, as its status says.
func poolIn(name string, size int) Pool {
	return Pool{
		Key: client.ObjectKey{Namespace: namespace, Name: name}, Identity: "uid-" + name, Account: "alice", Size: size,
		Machine: infrav1.OCIMeshMachineSpec{Shapes: []infrav1.Shape{{Name: arm, OCPUs: 2, MemoryGB: 12}}},
	}
}

// shows has a poll of alice show so many instances of the pool in a state, besides those before.
type shows []oci.Instance

func (s shows) of(pool Pool, number int, state oci.LifecycleState) shows {
	for range number {
		s = append(s, oci.Instance{
			Resource: oci.Resource{ID: fmt.Sprintf("instance-%d", len(s)), State: state, Tags: ownership.MachinePool(pool.Identity, pool.Key.Namespace, pool.Key.Name).Tags()},
			Shape:    arm, OCPUs: 2, MemoryGB: 12,
		})
	}
	return s
}

func (w *world) polled(t *testing.T, instances shows) {
	t.Helper()
	w.advance += time.Second
	w.pollers.Cache(w.accounts[0]).Complete(instances, w.now(), w.now())
	w.advance += time.Second
}

func (w *world) resize(t *testing.T, pool Pool, wanted int) int {
	t.Helper()
	granted, refusal, err := w.scheduler.Resize(t.Context(), pool, wanted)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(refusal != nil).To(Equal(granted < wanted))
	return granted
}

func TestAPoolIsAsLargeAsTheBudgetHasRoomFor(t *testing.T) {
	one, other := poolIn("one", 0), poolIn("other", 0)
	for name, test := range map[string]struct {
		budget  infrav1.FamilyBudget
		size    int
		others  []Pool
		shown   shows
		wanted  int
		granted int
		message string
	}{
		"nothing bounds it":                 {budget: infrav1.FamilyBudget{Family: armFamily}, wanted: 10, granted: 10},
		"all of it":                         {budget: instances(4), wanted: 4, granted: 4},
		"some of it":                        {budget: instances(4), wanted: 10, granted: 4, message: "its budget has 4 of 4 instances of Standard.A1 left, and 10 are needed"},
		"none of it":                        {budget: instances(0), wanted: 1, granted: 0, message: "its budget has 0 of 0 instances of Standard.A1 left, and 1 are needed"},
		"OCPUs":                             {budget: infrav1.FamilyBudget{Family: armFamily, OCPUs: ptr.To[int32](5)}, wanted: 3, granted: 2, message: "its budget has 5 of 5 OCPUs of Standard.A1 left, and 6 are needed"},
		"another family":                    {budget: infrav1.FamilyBudget{Family: "Standard.E5"}, wanted: 1, granted: 0, message: "its budget does not list family Standard.A1"},
		"what it has counts once":           {budget: instances(4), size: 2, shown: shows{}.of(one, 2, oci.StateRunning), wanted: 4, granted: 4},
		"what OCI is to launch counts":      {budget: instances(4), size: 3, shown: shows{}.of(one, 1, oci.StateRunning), wanted: 6, granted: 4, message: "its budget has 1 of 4"},
		"what ends counts until it is gone": {budget: instances(4), size: 2, shown: shows{}.of(one, 2, oci.StateRunning).of(one, 1, oci.StateTerminating), wanted: 4, granted: 3, message: "its budget has 1 of 4"},
		"what left the pool counts":         {budget: instances(3), size: 2, shown: shows{}.of(one, 3, oci.StateRunning), wanted: 3, granted: 2, message: "its budget has 0 of 3"},
		"another pool's size counts":        {budget: instances(4), others: []Pool{poolIn("other", 3)}, wanted: 4, granted: 1, message: "its budget has 1 of 4"},
		"but not twice":                     {budget: instances(4), others: []Pool{poolIn("other", 3)}, shown: shows{}.of(other, 3, oci.StateRunning), wanted: 4, granted: 1, message: "its budget has 1 of 4"},
		"a lowered budget takes none away":  {budget: instances(1), size: 3, shown: shows{}.of(one, 3, oci.StateRunning), wanted: 4, granted: 3, message: "its budget has 0 of 1"},
		"smaller is always possible":        {budget: instances(1), size: 3, shown: shows{}.of(one, 3, oci.StateRunning), wanted: 2, granted: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			w := newWorld(t, nil, "alice")
			w.budget(0, test.budget)
			pool := poolIn("one", test.size)
			w.pools = append(test.others, pool)
			w.polled(t, test.shown)
			granted, refusal, err := w.scheduler.Resize(t.Context(), pool, test.wanted)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(granted).To(Equal(test.granted))
			if test.message == "" {
				g.Expect(refusal).To(BeNil())
				return
			}
			g.Expect(refusal.Reason).To(Equal(infrav1.BudgetExceededReason))
			g.Expect(refusal.Message).To(And(
				HavePrefix("OCIAccount alice has room for %d of %d instances: %s", test.granted, test.wanted, test.message),
				ContainSubstring("raise spec.budget of OCIAccount alice, or delete machines in it")))
			g.Expect(refusal.RetryAfter).To(Equal(5 * time.Minute))
		})
	}
}

func TestWhatAPoolWasGrantedCountsForMachinesAndPools(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, nil, "alice")
	w.budget(0, instances(4))
	pool, other := poolIn("one", 0), poolIn("other", 0)
	w.pools = []Pool{pool, other}
	worker := w.request("worker")
	w.written(worker, Placement{})
	refused := func() bool {
		_, refusal, err := w.scheduler.Schedule(t.Context(), worker)
		g.Expect(err).NotTo(HaveOccurred())
		w.scheduler.Cancel(t.Context(), worker.Key)
		return refusal != nil
	}
	g.Expect(w.resize(t, pool, 3)).To(Equal(3))
	g.Expect(w.resize(t, other, 3)).To(Equal(1), "before any status or poll shows it")
	g.Expect(refused()).To(BeTrue())

	// OCI refused both: what was granted and not asked for is free again.
	g.Expect(w.resize(t, other, 0)).To(Equal(0))
	g.Expect(w.resize(t, pool, 0)).To(Equal(0))
	g.Expect(refused()).To(BeFalse())

	// The manager stops between the write and the resize.
	w.pools[0].Size = 4
	w.restart(t)
	g.Expect(refused()).To(BeTrue())
	w.polled(t, shows{}.of(pool, 4, oci.StateRunning))
	g.Expect(refused()).To(BeTrue())

	// It is deleted: what ends counts once, until it is gone.
	w.pools[0].Ending = true
	w.budget(0, instances(5))
	w.polled(t, shows{}.of(pool, 1, oci.StateRunning).of(pool, 3, oci.StateTerminating))
	g.Expect(refused()).To(BeFalse())
	w.budget(0, instances(1))
	w.pools[0].Size = 0
	w.polled(t, shows{}.of(pool, 4, oci.StateTerminating))
	w.polled(t, nil)
	g.Expect(refused()).To(BeFalse())
}

// OCI makes a pool smaller when an instance is detached, before the instance ends and before a poll
// shows that.
func TestAnInstanceThatLeavesItsPoolCountsUntilItIsGone(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, nil, "alice")
	w.budget(0, instances(4))
	pool, other := poolIn("one", 2), poolIn("other", 0)
	w.pools = []Pool{pool, other}
	w.polled(t, shows{}.of(pool, 3, oci.StateRunning))

	g.Expect(w.resize(t, pool, 3)).To(Equal(3))
	pool.Size = 3
	g.Expect(w.resize(t, pool, 3)).To(Equal(3))
	g.Expect(w.resize(t, other, 1)).To(Equal(0), "two stay, one is detached, and one is to come")

	w.polled(t, shows{}.of(pool, 3, oci.StateRunning).of(pool, 1, oci.StateTerminating))
	g.Expect(w.resize(t, other, 1)).To(Equal(0))
	w.polled(t, shows{}.of(pool, 3, oci.StateRunning))
	g.Expect(w.resize(t, other, 1)).To(Equal(1))
}

func TestADetachHidesNoInstanceThatIsToCome(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, nil, "alice")
	w.budget(0, instances(4))
	pool, other := poolIn("one", 1), poolIn("other", 0)
	w.pools = []Pool{pool, other}
	w.polled(t, shows{}.of(pool, 1, oci.StateRunning))
	g.Expect(w.resize(t, pool, 3)).To(Equal(3))
	pool.Size = 3
	g.Expect(w.resize(t, pool, 3)).To(Equal(3))

	pool.Size = 2
	w.pools[0] = pool
	g.Expect(w.resize(t, pool, 2)).To(Equal(2))
	g.Expect(w.resize(t, other, 2)).To(Equal(1), "one is leaving, and two are to come")

	w.polled(t, shows{}.of(pool, 2, oci.StateRunning).of(pool, 1, oci.StateTerminating))
	g.Expect(w.resize(t, other, 2)).To(Equal(1))
	w.polled(t, shows{}.of(pool, 2, oci.StateRunning))
	g.Expect(w.resize(t, other, 2)).To(Equal(2))
}

// T1 writes identities, also those of other pools.
func TestT1CannotHideAPoolBehindAnothersInstances(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, nil, "alice")
	w.budget(0, instances(4))
	pool, forged := poolIn("one", 2), poolIn("forged", 2)
	forged.Identity = pool.Identity
	w.pools = []Pool{pool, forged}
	w.polled(t, shows{}.of(pool, 2, oci.StateRunning))
	g.Expect(w.resize(t, pool, 4)).To(Equal(2), "two instances of the other are to come")
}

func TestT1CannotSwellTheVolumesOfAnothersPool(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, nil, "alice")
	w.accounts[0].Spec.Budget = infrav1.AccountBudget{VolumeGB: ptr.To[int32](500)}
	pool, forged, honest := poolIn("one", 2), poolIn("forged", 0), poolIn("honest", 0)
	forged.Identity, forged.Key.Namespace, forged.Machine.BootVolume.SizeGB = pool.Identity, "nowhere", 30000
	w.pools = []Pool{pool, forged, honest}
	w.polled(t, shows{}.of(pool, 2, oci.StateRunning))
	g.Expect(w.resize(t, honest, 3)).To(Equal(3))
}

func TestVolumesOfPoolsCountAsTheirSpecsSay(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, nil, "alice")
	w.accounts[0].Spec.Budget = infrav1.AccountBudget{VolumeGB: ptr.To[int32](500)}
	pool := poolIn("one", 0)
	pool.Machine.BootVolume.SizeGB, pool.Machine.DataVolumes = 100, []infrav1.DataVolume{{SizeGB: 50}}
	w.pools = []Pool{pool}
	g.Expect(w.resize(t, pool, 4)).To(Equal(3))
	pool.Size = 3
	w.polled(t, shows{}.of(pool, 3, oci.StateRunning))
	g.Expect(w.resize(t, pool, 4)).To(Equal(3))
}

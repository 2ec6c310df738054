// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/placement"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/identity"
)

var (
	blue        = client.ObjectKey{Namespace: "ns", Name: "blue"}
	nobodysName = client.ObjectKey{Namespace: "ns", Name: "nobody"}
)

func machineIn(name string, at infrav1.Placement) *infrav1.OCIMeshMachine {
	return &infrav1.OCIMeshMachine{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "ns", Name: name, UID: types.UID("uid-" + name), Labels: map[string]string{clusterv1.ClusterNameLabel: "blue"},
		},
		Spec:   infrav1.OCIMeshMachineSpec{Shapes: []infrav1.Shape{{Name: arm, OCPUs: 2, MemoryGB: 12}}},
		Status: infrav1.OCIMeshMachineStatus{Placement: at},
	}
}

func at(attempt int32, account string) infrav1.Placement {
	return infrav1.Placement{Attempt: attempt, Account: account, AvailabilityDomain: account + "-ad", FaultDomain: "fd", Shape: arm}
}

// tells is what is used of the accounts alice and bob, in OCPUs, and how many of the cluster's
// machines are in each.
func (r *reservations) tells(but client.ObjectKey) (used map[string]int64, placed map[string]int) {
	facts := placement.Facts{Accounts: []placement.Account{{Name: "alice"}, {Name: "bob"}}}
	r.addTo(&facts, but, blue)
	used, placed = map[string]int64{}, map[string]int{}
	for _, account := range facts.Accounts {
		for _, use := range account.Used {
			used[account.Name] += use.Size.OCPUs
		}
	}
	for _, machines := range facts.Placed {
		placed[machines.Account] += machines.Number
	}
	return used, placed
}

func TestADecisionCountsUntilItIsWrittenOrTakenBack(t *testing.T) {
	g := NewWithT(t)
	r := &reservations{}
	own := machineIn("worker", infrav1.Placement{})
	key := client.ObjectKeyFromObject(own)
	r.observe(own)
	r.reserve(requestOf(own), at(1, "alice"))
	used, placed := r.tells(nobodysName)
	g.Expect(used).To(Equal(map[string]int64{"alice": 2}))
	g.Expect(placed).To(Equal(map[string]int{"alice": 1}))
	used, placed = r.tells(key)
	g.Expect(used).To(BeEmpty(), "its own decision is not in its way")
	g.Expect(placed).To(BeEmpty())

	r.observe(own)
	g.Expect(r.placement(key).Account).To(Equal("alice"), "the watch is behind")
	r.observe(machineIn("worker", at(1, "alice")))
	r.reserve(requestOf(own), at(2, "bob"))
	used, placed = r.tells(nobodysName)
	g.Expect(used).To(Equal(map[string]int64{"alice": 2, "bob": 2}), "it may be launched in either")
	g.Expect(placed).To(Equal(map[string]int{"bob": 1}))
	mark := identity.OfMachine(own).Mark()
	g.Expect(r.counted("alice", mark).Instances).To(BeEquivalentTo(1))
	g.Expect(r.counted("bob", mark).Instances).To(BeEquivalentTo(1))

	r.release(key)
	used, _ = r.tells(nobodysName)
	g.Expect(used).To(Equal(map[string]int64{"alice": 2}))
	leaving := machineIn("worker", at(1, "alice"))
	leaving.DeletionTimestamp = &metav1.Time{Time: time.Now()}
	r.observe(leaving)
	used, placed = r.tells(nobodysName)
	g.Expect(used).To(Equal(map[string]int64{"alice": 2}), "until its instance is proven gone")
	g.Expect(placed).To(BeEmpty(), "for the spread it has left")

	r.forget(key)
	used, _ = r.tells(nobodysName)
	g.Expect(used).To(BeEmpty())
	g.Expect(r.counted("alice", mark)).To(BeZero())
}

func TestAMachineThatWasMadeAnewHasNothingReserved(t *testing.T) {
	g := NewWithT(t)
	r := &reservations{}
	r.reserve(requestOf(machineIn("worker", infrav1.Placement{})), at(1, "alice"))
	anew := machineIn("worker", infrav1.Placement{})
	anew.UID = "another"
	r.observe(anew)
	used, _ := r.tells(nobodysName)
	g.Expect(used).To(BeEmpty())
}

func TestAfterAnyChangesTheSumsAreThoseOfTheMachinesThere(t *testing.T) {
	g := NewWithT(t)
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // The same worlds each time.
	r := &reservations{}
	account := func() string { return []string{"alice", "bob", ""}[random.IntN(3)] }
	for range 5000 {
		own := machineIn(fmt.Sprintf("worker-%d", random.IntN(20)), infrav1.Placement{})
		key := client.ObjectKeyFromObject(own)
		switch random.IntN(6) {
		case 0, 1:
			own.Labels[clusterv1.MachineSetNameLabel] = []string{"old", "new"}[random.IntN(2)]
			own.Status.Size = infrav1.MachineSizeStatus{OCPUs: random.Int32N(5), MemoryGB: 12}
			if random.IntN(3) == 0 {
				own.DeletionTimestamp = &metav1.Time{Time: time.Now()}
			}
			if own.Status.Placement = at(random.Int32N(3), account()); own.Status.Placement.Account == "" {
				own.Status.Placement = infrav1.Placement{}
			}
			r.observe(own)
		case 2:
			r.reserve(requestOf(own), at(random.Int32N(3), "bob"))
		case 3:
			r.release(key)
		case 4:
			r.forget(key)
		case 5:
			r.grow(key, placement.Size{Instances: 1, OCPUs: random.Int64N(9), MemoryGB: 12, VolumeGB: 50})
		}
	}
	again := &reservations{}
	for key, m := range r.machines {
		again.change(key, func(other *machine) { *other = m })
	}
	g.Expect(r.used).To(Equal(again.used))
	g.Expect(r.marked).To(Equal(again.marked))
	g.Expect(r.groups).To(Equal(again.groups))
	r.keepOnly(nil)
	used, placed := r.tells(nobodysName)
	g.Expect(used).To(BeEmpty())
	g.Expect(placed).To(BeEmpty())
}

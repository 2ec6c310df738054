// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

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

func fleetMachine(name string, at infrav1.Placement) *infrav1.OCIMeshMachine {
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
func (f *fleet) tells(but client.ObjectKey) (used map[string]int64, placed map[string]int) {
	facts := placement.Facts{Accounts: []placement.Account{{Name: "alice"}, {Name: "bob"}}}
	f.tell(&facts, but, blue)
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

func TestABookingCountsUntilItIsWrittenOrCancelled(t *testing.T) {
	g := NewWithT(t)
	f := &fleet{}
	own := fleetMachine("worker", infrav1.Placement{})
	key := client.ObjectKeyFromObject(own)
	f.see(own)
	f.book(own, at(1, "alice"))
	used, placed := f.tells(nobodysName)
	g.Expect(used).To(Equal(map[string]int64{"alice": 2}))
	g.Expect(placed).To(Equal(map[string]int{"alice": 1}))
	used, placed = f.tells(key)
	g.Expect(used).To(BeEmpty(), "its own decision is not in its way")
	g.Expect(placed).To(BeEmpty())

	f.see(own)
	g.Expect(f.where(key).Account).To(Equal("alice"), "the watch is behind")
	f.see(fleetMachine("worker", at(1, "alice")))
	f.book(own, at(2, "bob"))
	used, placed = f.tells(nobodysName)
	g.Expect(used).To(Equal(map[string]int64{"alice": 2, "bob": 2}), "it may be launched in either")
	g.Expect(placed).To(Equal(map[string]int{"bob": 1}))
	mark := identity.OfMachine(own).Mark()
	g.Expect(f.counted("alice", mark).Instances).To(BeEquivalentTo(1))
	g.Expect(f.counted("bob", mark).Instances).To(BeEquivalentTo(1))

	f.cancel(key)
	used, _ = f.tells(nobodysName)
	g.Expect(used).To(Equal(map[string]int64{"alice": 2}))
	leaving := fleetMachine("worker", at(1, "alice"))
	leaving.DeletionTimestamp = &metav1.Time{Time: time.Now()}
	f.see(leaving)
	used, placed = f.tells(nobodysName)
	g.Expect(used).To(Equal(map[string]int64{"alice": 2}), "until its instance is proven gone")
	g.Expect(placed).To(BeEmpty(), "for the spread it has left")

	f.forget(key)
	used, _ = f.tells(nobodysName)
	g.Expect(used).To(BeEmpty())
	g.Expect(f.counted("alice", mark)).To(BeZero())
}

func TestAMachineThatWasMadeAnewHasNothingBooked(t *testing.T) {
	g := NewWithT(t)
	f := &fleet{}
	f.book(fleetMachine("worker", infrav1.Placement{}), at(1, "alice"))
	anew := fleetMachine("worker", infrav1.Placement{})
	anew.UID = "another"
	f.see(anew)
	used, _ := f.tells(nobodysName)
	g.Expect(used).To(BeEmpty())
}

func TestAfterAnyChangesTheSumsAreThoseOfTheMachinesThere(t *testing.T) {
	g := NewWithT(t)
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // The same worlds each time.
	f := &fleet{}
	account := func() string { return []string{"alice", "bob", ""}[random.IntN(3)] }
	for range 5000 {
		own := fleetMachine(fmt.Sprintf("worker-%d", random.IntN(20)), infrav1.Placement{})
		key := client.ObjectKeyFromObject(own)
		switch random.IntN(5) {
		case 0, 1:
			if own.Status.Placement = at(random.Int32N(3), account()); own.Status.Placement.Account == "" {
				own.Status.Placement = infrav1.Placement{}
			}
			f.see(own)
		case 2:
			f.book(own, at(random.Int32N(3), "bob"))
		case 3:
			f.cancel(key)
		case 4:
			f.forget(key)
		}
	}
	again := &fleet{}
	for key, r := range f.residents {
		again.change(key, func(other *resident) { *other = r })
	}
	g.Expect(f.used).To(Equal(again.used))
	g.Expect(f.marked).To(Equal(again.marked))
	f.keepOnly(nil)
	used, placed := f.tells(nobodysName)
	g.Expect(used).To(BeEmpty())
	g.Expect(placed).To(BeEmpty())
}

// BenchmarkADecision is one decision and its booking among machines that are there.
func BenchmarkADecision(b *testing.B) {
	for _, machines := range []int{100, 1000, 10000} {
		b.Run(fmt.Sprintf("among %d machines", machines), func(b *testing.B) {
			f := &fleet{}
			var accounts []placement.Account
			for i := range 10 {
				accounts = append(accounts, placement.Account{
					Name: fmt.Sprintf("account-%d", i), Selected: true, Ready: true,
					Domains: []infrav1.AvailabilityDomain{{Name: fmt.Sprintf("account-%d-ad", i), ShortName: "ad-1", FaultDomains: []string{"fd"}}},
				})
			}
			for i := range machines {
				f.see(fleetMachine(fmt.Sprintf("worker-%d", i), at(1, accounts[i%10].Name)))
			}
			own := fleetMachine("own", infrav1.Placement{})
			key := client.ObjectKeyFromObject(own)
			for b.Loop() {
				facts := placement.Facts{Accounts: append([]placement.Account(nil), accounts...), Shapes: []placement.Shape{{Name: arm}}}
				f.tell(&facts, key, blue)
				best := placement.Decide(facts).Candidates[0]
				f.book(own, at(1, best.Account))
				f.cancel(key)
			}
		})
	}
}

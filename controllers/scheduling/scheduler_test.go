// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/capacity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/report"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

func instances(n int32) infrav1.FamilyBudget {
	return infrav1.FamilyBudget{Family: armFamily, Instances: &n}
}

func TestTheLastOfABudgetIsGivenAwayOnce(t *testing.T) {
	const asked, budget = 40, 5
	g := NewWithT(t)
	w := newWorld(t, nil, "alice", "bob")
	w.budget(0, instances(budget-2))
	w.budget(1, instances(2))
	// So that nobody has to wait for the image.
	for i := range w.accounts {
		request := w.request("first")
		request.Spec.Accounts.Names = []string{w.accounts[i].Name}
		_, refusal, err := w.scheduler.Schedule(t.Context(), request)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(refusal).To(BeNil())
		w.scheduler.Cancel(t.Context(), request.Key)
	}
	var requests []Request
	for i := range asked {
		requests = append(requests, w.request(fmt.Sprintf("worker-%d", i)))
		w.written(requests[i], Placement{})
	}
	var placed, refused atomic.Int32
	var all sync.WaitGroup
	for _, request := range requests {
		all.Go(func() {
			_, refusal, err := w.scheduler.Schedule(t.Context(), request)
			switch {
			case err != nil:
				t.Errorf("%s: %s", request.Key, err)
			case refusal == nil:
				placed.Add(1)
			case refusal.Reason == infrav1.BudgetExceededReason:
				refused.Add(1)
			}
		})
	}
	all.Wait()
	g.Expect(placed.Load()).To(BeEquivalentTo(budget))
	g.Expect(refused.Load()).To(BeEquivalentTo(asked - budget))
}

func TestADecisionIsReservedUntilItIsWrittenAndCountsAfterARestart(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, nil, "alice")
	w.budget(0, instances(1))
	first, second := w.request("first"), w.request("second")
	w.written(first, Placement{})
	w.written(second, Placement{})

	placed, refusal, err := w.scheduler.Schedule(t.Context(), first)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(refusal).To(BeNil())
	g.Expect(placed.FailureDomain).To(Equal("alice-ad-1"))
	g.Expect(placed.Attempt).To(BeEquivalentTo(1))
	g.Expect(placed.ImageID).NotTo(BeEmpty())
	g.Expect(placed.Reason).To(Equal("Least loaded: 0 machines without an owner in alice-ad-1"))
	_, refusal, err = w.scheduler.Schedule(t.Context(), second)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(refusal.Reason).To(Equal(infrav1.BudgetExceededReason))

	w.scheduler.Cancel(t.Context(), first.Key)
	other, refusal, err := w.scheduler.Schedule(t.Context(), second)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(refusal).To(BeNil(), "the first was never written")

	w.written(second, other)
	w.restart(t)
	_, refusal, err = w.scheduler.Schedule(t.Context(), first)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(refusal.Reason).To(Equal(infrav1.BudgetExceededReason))
}

func TestAMachineThatWasReadBeforeItsPlacementWasWrittenIsNotPlacedAnew(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, nil, "alice", "bob")
	request := w.request("worker")
	request.ResourceVersion = "1"
	before := machineIn("worker", infrav1.Placement{})
	before.ResourceVersion = "1"
	w.put(before)
	placed, _, err := w.scheduler.Schedule(t.Context(), request)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(placed.Account).To(Equal("alice"))

	after := before.DeepCopy()
	after.ResourceVersion = "2"
	w.put(after)
	_, _, err = w.scheduler.Schedule(t.Context(), request)
	g.Expect(err).To(MatchError(ErrBehind))
	g.Expect(w.scheduler.reservations.placement(request.Key)).To(Equal(infrav1.Placement{
		Attempt: 1, Account: "alice", AvailabilityDomain: placed.AvailabilityDomain, FaultDomain: placed.FaultDomain, Shape: arm, Reason: placed.Reason,
	}))

	w.put(before)
	_, _, err = w.scheduler.Schedule(t.Context(), request)
	g.Expect(err).NotTo(HaveOccurred(), "what was never written is decided anew")
}

type noPlace struct {
	change          func(*world, *Request)
	reason, message string
	wait            time.Duration
}

// noPlaces are why a machine gets no place, and for how long.
var noPlaces = map[string]noPlace{
	"no such failure domain": {
		func(_ *world, r *Request) { r.FailureDomain = "carol-ad-1" }, infrav1.FailureDomainUnknownReason,
		"Failure domain carol-ad-1 does not exist in this cluster: fix failureDomain on the Machine or its owner", time.Minute,
	},
	"no account is selected": {
		func(_ *world, r *Request) { r.Spec.Accounts.Names = []string{"carol"} }, infrav1.NoAccountReason,
		"No account can take the machine: alice: the machine's spec.accounts does not select it", time.Minute,
	},
	"the account is not ready": {
		func(w *world, _ *Request) {
			conditions.Set(w.accounts[0], report.NotOK(infrav1.ReadyCondition, "Revoked", "the key was revoked"))
		}, infrav1.NoAccountReason,
		"No account can take the machine: alice: the key was revoked", time.Minute,
	},
	"the account is another namespace's": {
		func(w *world, _ *Request) { w.accounts[0].Spec.AllowedNamespaces.List = nil }, infrav1.NoAccountReason,
		"No account can take the machine: alice: OCIAccount alice does not allow namespace ns: have its owner add the namespace to " +
			"spec.allowedNamespaces", time.Minute,
	},
	"the account is not there": {
		func(w *world, _ *Request) { w.cluster.Spec.Accounts[0].Name = "carol" }, infrav1.NoAccountReason,
		"No account can take the machine: carol: OCIAccount carol does not exist: create it, or remove it from the list of accounts", time.Minute,
	},
	"the network is not ready": {
		func(w *world, _ *Request) { w.cluster.Status.Accounts = nil }, infrav1.NoAccountReason,
		"No account can take the machine: alice: its network for the cluster is not ready", time.Minute,
	},
	"control planes are kept out": {
		func(w *world, r *Request) {
			w.cluster.Spec.Accounts[0].ControlPlane = ptr.To(false)
			r.Labels[clusterv1.MachineControlPlaneLabel] = ""
		}, infrav1.NoAccountReason,
		"No account can take the machine: alice: the cluster allows no control planes in it", time.Minute,
	},
	"there is no image": {
		func(_ *world, r *Request) { r.Spec.Image = infrav1.Image{Name: "golden"} }, infrav1.ImageNotFoundReason,
		`No account can take the machine: alice: image "golden" does not exist or may not be read`, time.Minute,
	},
	"there was no room": {
		func(w *world, _ *Request) {
			place := PlaceOf(infrav1.Placement{Account: "alice"})
			w.scheduler.options.Pollers.Shortages(w.accounts[0]).Record(place, capacity.Size{OCPUs: 1, MemoryGB: 6}, cloud.OutOfCapacity, w.now())
		}, infrav1.NoCapacityReason,
		"No account can take the machine: alice ", 5 * time.Minute,
	},
}

func TestWhyThereIsNoPlace(t *testing.T) {
	for name, test := range noPlaces {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			w := newWorld(t, nil, "alice")
			request := w.request("worker")
			test.change(w, &request)
			_, refusal, err := w.scheduler.Schedule(t.Context(), request)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(refusal).NotTo(BeNil())
			g.Expect(refusal.Reason).To(Equal(test.reason))
			g.Expect(refusal.Message).To(HavePrefix(test.message))
			g.Expect(refusal.RetryAfter).To(BeNumerically("~", test.wait, 10*time.Second))
		})
	}
}

func TestAnAccountThatWasNotPolledYetIsWaitedFor(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, nil, "alice")
	w.accounts[0].UID = "another"
	_, _, err := w.scheduler.Schedule(t.Context(), w.request("worker"))
	var wait *WaitError
	g.Expect(err).To(BeAssignableToTypeOf(wait))
	g.Expect(err).To(MatchError("Waiting for account alice to be polled"))
}

func TestAnImageIsLookedUpOnceInTenMinutes(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, nil, "alice")
	for i, test := range []struct {
		later time.Duration
		calls int
	}{{0, 1}, {9 * time.Minute, 1}, {2 * time.Minute, 2}} {
		w.advance += test.later
		w.poll(t)
		_, refusal, err := w.scheduler.Schedule(t.Context(), w.request(fmt.Sprintf("worker-%d", i)))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(refusal).To(BeNil())
		g.Expect(w.oci.CallCounts("alice")["ListImages"]).To(Equal(test.calls))
	}
}

func TestAccountsAreSelected(t *testing.T) {
	gold := &infrav1.OCIAccount{ObjectMeta: metav1.ObjectMeta{Name: "gold", Labels: map[string]string{"tier": "gold"}}}
	for name, test := range map[string]struct {
		selection infrav1.AccountSelection
		selected  bool
	}{
		"all":                 {infrav1.AccountSelection{}, true},
		"by name":             {infrav1.AccountSelection{Names: []string{"silver", "gold"}}, true},
		"by another name":     {infrav1.AccountSelection{Names: []string{"silver"}}, false},
		"by label":            {infrav1.AccountSelection{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"tier": "gold"}}}, true},
		"by another label":    {infrav1.AccountSelection{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"tier": "silver"}}}, false},
		"by the empty select": {infrav1.AccountSelection{Selector: &metav1.LabelSelector{}}, true},
	} {
		g := NewWithT(t)
		selected, err := Selects(test.selection, gold)
		g.Expect(err).NotTo(HaveOccurred(), name)
		g.Expect(selected).To(Equal(test.selected), name)
	}
}

// An instance with a machine's tag counts once: as a stray, or with its machine.
func TestAnInstanceCountsOnceWhetherItsMachineKnowsItOrNot(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, nil, "alice")
	own, other := w.request("own"), w.request("other")
	w.written(other, Placement{})
	fits := func(request Request, budget int32) bool {
		w.budget(0, instances(budget))
		_, refusal, err := w.scheduler.Schedule(t.Context(), request)
		g.Expect(err).NotTo(HaveOccurred())
		w.scheduler.Cancel(t.Context(), request.Key)
		return refusal == nil
	}
	shown := shows{{
		Resource: oci.Resource{ID: "instance", State: oci.StateRunning, Tags: map[string]string{
			infrav1.MachineUIDTag: own.Identity, infrav1.MachineNameTag: own.Key.String(),
		}},
		Shape: arm, OCPUs: 2, MemoryGB: 12,
	}}
	w.written(own, Placement{})
	g.Expect(fits(other, 1)).To(BeTrue())
	w.polled(t, shown)
	g.Expect(fits(other, 1)).To(BeFalse(), "its machine has lost its status")
	g.Expect(fits(own, 1)).To(BeTrue(), "it is the machine's own")
	w.polled(t, nil)
	g.Expect(fits(other, 1)).To(BeFalse(), "a list may lag")
	w.polled(t, nil)
	g.Expect(fits(other, 1)).To(BeTrue(), "it is gone")
	w.polled(t, shown)

	w.written(own, Placement{Placement: at(1, "alice")})
	g.Expect(fits(other, 1)).To(BeFalse())
	g.Expect(fits(other, 2)).To(BeTrue(), "with its machine")
	delete(w.all, idOf(own.Key, machineIn("own", infrav1.Placement{})))
	g.Expect(fits(other, 1)).To(BeFalse(), "its machine is gone, and it is not")
	g.Expect(fits(other, 2)).To(BeTrue())
}

func TestALimitThatKeepsAMachineOutIsToBeReadAgain(t *testing.T) {
	for name, test := range map[string]struct {
		limited, noted []string
	}{
		"of all accounts":       {[]string{"alice", "bob"}, []string{"alice", "bob"}},
		"of one, and it is not": {[]string{"alice"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w := newWorld(t, nil, "alice", "bob")
			began := w.now()
			for _, account := range w.accounts {
				if slices.Contains(test.limited, account.Name) {
					account.Status.Limits = []infrav1.ServiceLimit{{
						Name: "standard-a1-core-count", AvailabilityDomain: account.Status.AvailabilityDomains[0].Name, Value: ptr.To[int64](0),
					}}
				}
			}

			_, refusal, err := w.scheduler.Schedule(t.Context(), w.request("worker"))

			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(refusal != nil).To(Equal(len(test.noted) > 0))
			for _, account := range w.accounts {
				g.Expect(w.pollers.Shortages(account).LimitedSince(began)).To(Equal(slices.Contains(test.noted, account.Name)))
			}
		})
	}
}

func TestWhatOtherCompartmentsAndQuotasLeaveOfALimitIsWhatMachinesGet(t *testing.T) {
	for name, test := range map[string]struct {
		used, available *int64
		domain          int
	}{
		"all of it":           {ptr.To[int64](0), ptr.To[int64](10), 0},
		"nothing":             {ptr.To[int64](0), ptr.To[int64](0), 1},
		"less than a machine": {ptr.To[int64](0), ptr.To[int64](1), 1},
		"what a machine used that has ended since": {ptr.To[int64](2), ptr.To[int64](0), 0},
		"what OCI does not count":                  {nil, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w := newWorld(t, func(tenancy *sim.Tenancy) { tenancy.ADs = 3 }, "alice")
			domains := w.accounts[0].Status.AvailabilityDomains
			w.accounts[0].Status.Limits = []infrav1.ServiceLimit{{
				Name: "standard-a1-core-count", AvailabilityDomain: domains[0].Name, Value: ptr.To[int64](10),
				Used: test.used, Available: test.available,
			}}

			placed, refusal, err := w.scheduler.Schedule(t.Context(), w.request("worker"))

			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(refusal).To(BeNil())
			g.Expect(placed.AvailabilityDomain).To(Equal(domains[test.domain].Name))
		})
	}
}

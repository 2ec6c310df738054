// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/claims"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// window is for tests in which nobody minds; in the others it does not end.
const window = 6 * time.Second

// rarely is between two passes that only wait for the end of a window.
const rarely = 250 * time.Millisecond

// managed lets the bench be a management cluster that claims what it makes, in a new process.
// Networks are looked at in each pass, and most passes only wait for the end of the window.
func (b *bench) managed(id string, window time.Duration) {
	b.pause = 150 * time.Millisecond
	b.r = &Reconciler{
		Client: b.Client, Reader: b.Client, Options: Options{ListLag: time.Millisecond, NetworkInterval: time.Nanosecond},
		Clients: access.New(access.Options{Client: b.Client, RequestTimeout: 10 * time.Second, Limits: oci.Unlimited()}), Claims: claims.New(id, window),
	}
}

// restored is another management cluster into which a backup of the cluster was restored.
func (b *bench) restored(id string, window time.Duration, infra *infrav1.OCIMeshCluster) (*bench, *infrav1.OCIMeshCluster) {
	b.t.Helper()
	other := &bench{World: b.RestoredIn(b.t, b.Beside(b.t)), t: b.t, g: b.g}
	cluster := &clusterv1.Cluster{}
	for _, o := range []client.Object{cluster, infra} {
		b.g.Expect(b.Client.Get(b.t.Context(), client.ObjectKeyFromObject(infra), o)).To(Succeed())
	}
	copies := other.Restore(b.t, cluster, infra)
	other.managed(id, window)
	return other, copies[1].(*infrav1.OCIMeshCluster)
}

// pass reconciles once and tells whether the object is still there.
func (b *bench) pass(g Gomega, infra *infrav1.OCIMeshCluster) bool {
	_, err := b.reconcile(infra)
	g.Expect(err).NotTo(HaveOccurred())
	return !apierrors.IsNotFound(b.Client.Get(b.t.Context(), client.ObjectKeyFromObject(infra), infra.DeepCopy()))
}

// untilClaim reconciles until all claims of the cluster are in the state.
func (b *bench) untilClaim(infra *infrav1.OCIMeshCluster, state infrav1.ClaimState) {
	b.t.Helper()
	b.g.Eventually(func(g Gomega) {
		b.pass(g, infra)
		g.Expect(infra.Status.Accounts).NotTo(BeEmpty())
		for _, account := range infra.Status.Accounts {
			g.Expect(account.Claim.State).To(Equal(state), account.Name)
		}
		if infra.Spec.EndpointType.HasLoadBalancer() {
			g.Expect(infra.Status.LoadBalancer.Claim.State).To(Equal(state))
		}
	}, timeout, b.pause).Should(Succeed())
}

func kinds() []infrav1.EndpointType {
	return append([]infrav1.EndpointType{infrav1.EndpointTailnetVIP}, balancedTypes...)
}

func (b *bench) endings() int {
	return b.count("DeleteVcn") + b.count("DeleteSubnet") + b.count("DeleteNetworkLoadBalancer") + b.count("DeleteLoadBalancer")
}

func TestADrillIsToldThatTheNetworksAreNotItsOwnAndEndsNothing(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			production := newBench(t, helpers.WorldOptions{Accounts: 1})
			production.managed("production", time.Hour)
			infra := production.cluster("c1", withEndpoint(kind))
			production.until(infra, "Ready True Ready")
			production.untilClaim(infra, infrav1.ClaimHeld)
			updates := production.count("UpdateVcn")

			drill, copied := production.restored("drill", time.Hour, infra)
			drill.untilClaim(copied, infrav1.ClaimPending)
			for range 5 {
				drill.pass(production.g, copied)
			}
			production.g.Expect(production.count("UpdateVcn")).To(Equal(updates+1), "claimed once")
			production.untilClaim(infra, infrav1.ClaimPending)
			production.until(infra, "Ready True Ready")

			drill.until(copied, "NetworkReady False HeldElsewhere")
			production.g.Expect(helpers.MessageOf(copied, infrav1.NetworkReadyCondition)).To(ContainSubstring("production"))
			production.g.Expect(drill.Client.Delete(t.Context(), copied.DeepCopy())).To(Succeed())
			production.g.Eventually(func(g Gomega) { g.Expect(drill.pass(g, copied)).To(BeFalse()) }, timeout, rarely).Should(Succeed())
			production.g.Expect(production.endings()).To(BeZero())
			production.until(infra, "Ready True Ready")

			production.managed("production", window)
			production.pause = rarely
			production.deleted(infra)
			production.ExpectNothingLeft(t)
		})
	}
}

// The network was last seen half an hour ago, as it is looked at once an hour.
func TestANetworkIsClaimedBackOnlyWithItsMachines(t *testing.T) {
	elsewhere := func(machine infrav1.OCIMeshMachine) infrav1.OCIMeshMachine {
		machine.Status.Placement.Account = "b"
		return machine
	}
	polled := func(state infrav1.ClaimState, status metav1.ConditionStatus) infrav1.OCIMeshMachine {
		machine := infrav1.OCIMeshMachine{}
		machine.Status.Placement.Account = "a"
		machine.Status.Instance.ID = "ocid1.instance.oc1..m1"
		machine.Status.Claim = infrav1.ClaimStatus{ManagementCluster: "here", State: state}
		conditions.Set(&machine, metav1.Condition{Type: infrav1.InstanceReadyCondition, Status: status, Reason: infrav1.ReadyReason})
		return machine
	}
	for name, world := range map[string]struct {
		machines []infrav1.OCIMeshMachine
		want     ownership.Outcome
	}{
		"its machines are held here": {[]infrav1.OCIMeshMachine{polled(infrav1.ClaimHeld, metav1.ConditionTrue)}, ownership.Contested},
		"a machine is claimed back":  {[]infrav1.OCIMeshMachine{polled(infrav1.ClaimPending, metav1.ConditionTrue)}, ownership.Contested},
		"OCI was away, and no machine was seen since": {
			[]infrav1.OCIMeshMachine{polled(infrav1.ClaimHeld, metav1.ConditionUnknown)}, ownership.Elsewhere},
		"OCI was away, and machines were left to the other": {
			[]infrav1.OCIMeshMachine{polled(infrav1.ClaimHeld, metav1.ConditionTrue), polled(infrav1.ClaimElsewhere, metav1.ConditionTrue)}, ownership.Elsewhere},
		"there is no machine": {nil, ownership.Elsewhere},
		"only another account's machines were seen": {
			[]infrav1.OCIMeshMachine{polled(infrav1.ClaimHeld, metav1.ConditionUnknown), elsewhere(polled(infrav1.ClaimHeld, metav1.ConditionTrue))}, ownership.Elsewhere},
		"another account's machines were left to the other": {
			[]infrav1.OCIMeshMachine{polled(infrav1.ClaimHeld, metav1.ConditionTrue), elsewhere(polled(infrav1.ClaimElsewhere, metav1.ConditionTrue))}, ownership.Contested},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			infra := &infrav1.OCIMeshCluster{ObjectMeta: metav1.ObjectMeta{UID: "uid", Namespace: "team", Name: "c1"}}
			r := &Reconciler{Claims: claims.New("here", 3*time.Minute)}
			s := &scope{infra: infra, machines: world.machines, options: Options{UnseenInterval: 10 * time.Minute, NetworkInterval: time.Hour}}
			status := infrav1.ClaimStatus{ManagementCluster: "here", State: infrav1.ClaimHeld}
			id, seen := "ocid1.vcn.oc1..v1", time.Now().Add(-30*time.Minute)
			r.Claims.Next(r.holder(s, "a", status, id), ownership.Judgement{Outcome: ownership.Ours}, id, seen)

			owner := ownership.Cluster("uid", "team", "c1").HeldBy(r.holder(s, "a", status, id))
			tags := owner.Tags()
			tags[infrav1.HeldByTag] = ownership.Claim{Holder: "there", Since: seen}.String()
			g.Expect(owner.Judge(id, tags).Outcome).To(Equal(world.want))
		})
	}
}

func TestAMovedClusterIsTakenOverAndDeletedOnceNobodyMinded(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			first := newBench(t, helpers.WorldOptions{Accounts: 1})
			first.managed("first", window)
			infra := first.cluster("c1", withEndpoint(kind))
			first.until(infra, "Ready True Ready")
			second, moved := first.restored("second", window, infra)

			second.until(moved, "Ready True Ready")
			second.untilClaim(moved, infrav1.ClaimHeld)
			first.until(infra, "NetworkReady False HeldElsewhere")
			first.g.Expect(first.Client.Delete(t.Context(), infra.DeepCopy())).To(Succeed())
			first.g.Eventually(func(g Gomega) { g.Expect(first.pass(g, infra)).To(BeFalse()) }, timeout, rarely).Should(Succeed())
			first.g.Expect(first.endings()).To(BeZero())

			second.g.Expect(second.Client.Delete(t.Context(), moved.DeepCopy())).To(Succeed())
			second.g.Eventually(func(g Gomega) { g.Expect(second.pass(g, moved)).To(BeFalse()) }, timeout, rarely).Should(Succeed())
			second.ExpectNothingLeft(t)
		})
	}
}

func TestADeletionRightAfterAMoveWaits(t *testing.T) {
	t.Parallel()
	first := newBench(t, helpers.WorldOptions{Accounts: 1})
	first.managed("first", window)
	infra := first.cluster("c1", withEndpoint(infrav1.EndpointNetworkLoadBalancer))
	first.until(infra, "Ready True Ready")
	second, moved := first.restored("second", time.Hour, infra)

	second.g.Expect(second.Client.Delete(t.Context(), moved.DeepCopy())).To(Succeed())
	second.until(moved, "Deleting True Claiming")
	for range 5 {
		second.pass(second.g, moved)
	}
	second.g.Expect(second.endings()).To(BeZero())
	second.managed("second", window)
	second.g.Eventually(func(g Gomega) { g.Expect(second.pass(g, moved)).To(BeFalse()) }, timeout, rarely).Should(Succeed())
	second.ExpectNothingLeft(t)
}

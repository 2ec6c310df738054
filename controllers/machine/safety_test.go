// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/report"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/ocisim/sim"
)

// setReady gives an account another Ready condition, whatever its simulator answers.
func (b *bench) setReady(t *testing.T, name string, ready metav1.Condition) {
	t.Helper()
	g := NewWithT(t)
	account := &infrav1.OCIAccount{}
	g.Expect(b.Client.Get(t.Context(), client.ObjectKey{Name: name}, account)).To(Succeed())
	conditions.Set(account, ready)
	g.Expect(b.Client.Status().Update(t.Context(), account)).To(Succeed())
}

// untilPlaced reconciles until the machine has its place and not yet its key.
func (b *bench) untilPlaced(t *testing.T, own *infrav1.OCIMeshMachine) {
	t.Helper()
	for own.Status.Placement.Account == "" {
		b.pass(t, own)
		b.Reload(t, own)
	}
}

func TestAnAccountInDoubtIsNotLeftAndChosenAgainForEver(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	b.setReady(t, b.Accounts[0].Name, report.Unknown(infrav1.ReadyCondition, infrav1.UnavailableReason, "no answer"))
	own := b.machine(t, "worker")
	b.untilProvisioned(t, own)
	g.Expect(own.Status.Placement.Attempt).To(BeEquivalentTo(1))
}

// The key's Secret tells a machine whose status was lost from one that never had an instance.
func TestALostStatusIsLookedForInAccountsThatAreNotReadyToo(t *testing.T) {
	lose := func(t *testing.T) (*bench, *infrav1.OCIMeshMachine) {
		b := newBench(t, helpers.WorldOptions{Accounts: 2})
		b.booter.setAsleep(true)
		own := b.machine(t, "worker")
		b.untilCondition(t, own, "TailnetReady False Joining")
		b.setReady(t, own.Status.Placement.Account, report.NotOK(infrav1.ReadyCondition, infrav1.AuthenticationFailedReason, "refused"))
		NewWithT(t).Expect(b.Client.Status().Patch(t.Context(), own,
			client.RawPatch(types.MergePatchType, []byte(`{"status":null}`)))).To(Succeed())
		return b, own
	}
	t.Run("by a machine that comes up", func(t *testing.T) {
		b, own := lose(t)
		b.untilCondition(t, own, "TailnetReady False Joining")
		NewWithT(t).Expect(b.calls("LaunchInstance")).To(Equal(1))
	})
	t.Run("by a machine that is deleted", func(t *testing.T) {
		b, own := lose(t)
		b.delete(t, own)
		b.expectNothingLeft(t)
	})
}

func TestALaunchThatMayBeUnderWayIsRepeatedHoweverLongAgoTheDeletionWas(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own := b.machine(t, "worker")
	b.untilPlaced(t, own)
	own.DeletionTimestamp = &metav1.Time{Time: b.now().Add(-time.Hour)}
	s := b.scopeOf(t, own)
	s.keyExists = true

	_, err := b.r.victims(t.Context(), s)
	g.Expect(err).To(MatchError(ContainSubstring("waiting for a look")))
	g.Expect(b.poll(t.Context())).To(Succeed())
	_, err = b.r.victims(t.Context(), s)
	g.Expect(err).To(MatchError(ContainSubstring("is ended next")), "the launch is repeated, and what it made is known")
	g.Expect(s.own.Status.Instance.ID).NotTo(BeEmpty())
	g.Expect(b.instances(t)).To(HaveLen(1))
}

func TestAStalePassThatFindsNoRoomWipesNoInstanceOut(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own := b.machine(t, "worker")
	b.untilPlaced(t, own)
	stale := own.DeepCopy()
	own.Status.Instance = infrav1.InstanceStatus{ID: "ocid1.instance.new"}
	g.Expect(b.Client.Status().Update(t.Context(), own)).To(Succeed())

	stale.Status.Instance.ID = "ocid1.instance.old"
	s := b.scopeOf(t, stale)
	b.r.Scheduler = b.scheduler(b.Client, b.r.Options)
	b.OCI.AddFault(sim.Fault{Operation: "ListImages", Status: 503, Code: "ServiceUnavailable"})
	g.Expect(b.r.short(t.Context(), s, &cloud.Error{Kind: cloud.OutOfCapacity})).NotTo(Succeed())
	g.Expect(s.exclusive).To(BeTrue())
	g.Expect(b.r.save(t.Context(), s)).To(Succeed())
	b.Reload(t, own)
	g.Expect(own.Status.Instance.ID).To(Equal("ocid1.instance.new"))
}

func TestAKnownInstanceIsLookedForInAccountsThatRefuseTheNamespace(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own := b.machine(t, "worker")
	helpers.Update(t, b.Environment, b.Accounts[0], func(account *infrav1.OCIAccount) {
		account.Spec.AllowedNamespaces.List = []string{"elsewhere"}
	})
	s := b.scopeOf(t, own)
	s.infraCluster = nil
	s.own.Spec.ProviderID = "oci://ocid1.instance.known"
	candidates, err := b.r.candidates(t.Context(), s)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(candidates).To(HaveLen(1))
	g.Expect(candidates[0].Name).To(Equal(b.Accounts[0].Name))
	g.Expect(candidates[0].far).To(BeTrue(), "no calls are made there for the namespace")
}

func TestPatienceBeyondAKeysLifeMakesNoKeyAPass(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	b.r.Options.JoinTimeout = 2 * time.Hour
	b.OCI.AddFault(sim.Fault{Operation: "LaunchInstance", AfterCommit: true, Reset: true})
	own := b.machine(t, "worker")
	b.untilPlaced(t, own)
	for range 2 {
		s := b.scopeOf(t, own)
		g.Expect(b.r.loadKey(t.Context(), s)).To(Succeed())
		g.Expect(b.r.prerequisites(t.Context(), s)).To(Succeed())
		g.Expect(b.r.bootstrapData(t.Context(), s)).To(Succeed())
		g.Expect(b.r.tailnetKey(t.Context(), s)).To(Succeed())
		_ = b.r.launch(t.Context(), s)
	}
	g.Expect(b.Control.Keys()).To(HaveLen(1))
	g.Expect(b.instances(t)).To(HaveLen(1))
}

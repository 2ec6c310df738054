// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/report"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

func TestALaunchThatListsDoNotShowYetIsNotRepeated(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	b.OCI.AddFault(sim.Fault{Operation: "LaunchInstance", AfterCommit: true, Reset: true})
	// The search finds nothing, as if the list lagged: the retry token has to do.
	own := b.machine(t, "machine")
	b.until(t, own, func(g Gomega) { g.Expect(b.calls("LaunchInstance")).To(Equal(1)) })
	s := b.scopeOf(t, own)
	g.Expect(s.key.Load(t.Context())).To(Succeed())
	g.Expect(b.r.prerequisites(t.Context(), s)).To(Succeed())
	g.Expect(b.r.bootstrapData(t.Context(), s)).To(Succeed())
	g.Expect(b.r.tailnetKey(t.Context(), s)).To(Succeed())
	g.Expect(b.r.launcher().launch(t.Context(), s)).To(Succeed())

	g.Expect(b.calls("LaunchInstance")).To(Equal(2))
	g.Expect(b.instances(t)).To(HaveLen(1))
	g.Expect(own.Status.Instance.ID).To(Equal(b.instances(t)[0].ID))
}

func TestStatusIsFoundAgainAfterItWasLost(t *testing.T) {
	t.Parallel()
	for name, when := range map[string]string{
		"while the machine boots": "TailnetReady False Joining",
		"when it runs":            "Ready True Ready",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{Accounts: 3})
			b.booter.setAsleep(when != "Ready True Ready")
			own := b.machine(t, "machine")
			b.until(t, own, func(g Gomega) {
				g.Expect(helpers.ConditionsOf(own)).To(ContainElement(when))
				g.Expect(own.Status.Instance.PrivateIP).NotTo(BeEmpty())
			})
			before := own.DeepCopy()
			g.Expect(b.Client.Status().Patch(t.Context(), own, client.RawPatch(types.MergePatchType, []byte(`{"status":null}`)))).To(Succeed())
			g.Expect(own.Status).To(BeZero())

			b.r = b.reconciler()
			b.until(t, own, func(g Gomega) {
				g.Expect(helpers.ConditionsOf(own)).To(ContainElement(when))
				g.Expect(own.Status.Instance.PrivateIP).NotTo(BeEmpty())
			})

			g.Expect(own.Status.Instance).To(Equal(before.Status.Instance))
			g.Expect(own.Status.FailureDomain).To(Equal(before.Status.FailureDomain))
			g.Expect(own.Status.Addresses).To(Equal(before.Status.Addresses))
			g.Expect(b.calls("LaunchInstance")).To(Equal(1))
			b.delete(t, own)
			b.expectNothingLeft(t)
		})
	}
}

func TestAMovedMachineKeepsItsInstance(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{Accounts: 2})
	own := b.machine(t, "machine")
	b.untilProvisioned(t, own)
	instance, device := own.Status.Instance.ID, own.Status.Tailnet.DeviceID

	// clusterctl move makes the object anew, without status and with another UID.
	moved := own.DeepCopy()
	moved.ObjectMeta = metav1.ObjectMeta{
		Namespace: own.Namespace, Name: own.Name, Labels: own.Labels, Annotations: own.Annotations,
		OwnerReferences: own.OwnerReferences, Finalizers: own.Finalizers,
	}
	helpers.Update(t, b.Environment, own, func(own *infrav1.OCIMeshMachine) { own.Finalizers = nil })
	g.Expect(b.Client.Delete(t.Context(), own)).To(Succeed())
	moved.Status = infrav1.OCIMeshMachineStatus{}
	b.Create(t, moved)
	b.untilProvisioned(t, moved)

	g.Expect(moved.UID).NotTo(Equal(own.UID))
	g.Expect(moved.Status.Instance.ID).To(Equal(instance))
	g.Expect(moved.Status.Tailnet.DeviceID).To(Equal(device))
	b.delete(t, moved)
	b.expectNothingLeft(t)
}

func TestACopiedIdentityDoesNotCount(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	first := b.machine(t, "first")
	b.untilProvisioned(t, first)
	second := b.machine(t, "second")
	helpers.Update(t, b.Environment, second, func(own *infrav1.OCIMeshMachine) { own.Annotations = first.Annotations })
	b.untilProvisioned(t, second)
	g.Expect(second.Status.Instance.ID).NotTo(Equal(first.Status.Instance.ID))
}

func TestTwoLiveInstancesOfOneMachineAreAnErrorAndBothAreDeleted(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own := b.machine(t, "machine")
	b.untilProvisioned(t, own)
	// Somebody copies the instance with its tags, and status is lost.
	s := b.scopeOf(t, own)
	g.Expect(b.r.prerequisites(t.Context(), s)).To(Succeed())
	copied := own.DeepCopy()
	copied.Status.Instance, copied.Spec.ProviderID = infrav1.InstanceStatus{}, ""
	copied.Status.Placement.Attempt = 99
	s.own, s.key.Value = copied, placeholderKey
	g.Expect(b.r.bootstrapData(t.Context(), s)).To(Succeed())
	spec, c, err := b.r.launcher().requests.first(t.Context(), s)
	g.Expect(err).NotTo(HaveOccurred())
	_, err = c.LaunchInstance(t.Context(), spec)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(b.instances(t)).To(HaveLen(2))

	b.sleep(time.Second)
	g.Expect(b.poll(t.Context())).To(Succeed())
	g.Expect(b.r.adopt(t.Context(), s)).To(Succeed(), "a placement without a key was never launched")
	s.own.Status.Placement = infrav1.Placement{}
	err = b.r.adopt(t.Context(), s)
	g.Expect(err).To(MatchError(ContainSubstring("InstanceDuplicated")))
	g.Expect(err).To(MatchError(ContainSubstring(own.Status.Instance.ID)))

	b.delete(t, own)
	b.expectNothingLeft(t)
}

// The key's Secret tells a machine with a lost status from one without an instance ever.
func TestALostStatusIsLookedForInAccountsThatAreNotReadyToo(t *testing.T) {
	t.Parallel()
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

func TestAKnownInstanceIsLookedForInAccountsThatRefuseTheNamespace(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own := b.machine(t, "worker")
	helpers.Update(t, b.Environment, b.Accounts[0], func(account *infrav1.OCIAccount) {
		account.Spec.AllowedNamespaces.List = []string{"elsewhere"}
	})
	s := b.scopeOf(t, own)
	s.infraCluster = nil
	s.own.Spec.ProviderID = "oci://ocid1.instance.known"
	candidates, err := b.r.finder().Candidates(t.Context(), s.target())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(candidates).To(HaveLen(1))
	g.Expect(candidates[0].Name).To(Equal(b.Accounts[0].Name))
	g.Expect(candidates[0].Far).To(BeTrue(), "no calls are made there for the namespace")
}

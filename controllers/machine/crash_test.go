// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/ocisim/sim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/tailnetsim"
)

// A lost answer is what a manager that was killed during the call has: the work may be done, and
// nobody knows.
func TestAnAnswerLostAnywhereDuplicatesNothingAndLeavesNothing(t *testing.T) {
	onOCI := func(operation string, fault sim.Fault) func(*bench) {
		return func(b *bench) {
			fault.Operation = operation
			b.OCI.AddFault(fault)
		}
	}
	onTailnet := func(operation string, fault tailnetsim.Fault) func(*bench) {
		return func(b *bench) {
			fault.Operation = operation
			b.Control.Inject(fault)
		}
	}
	faults := map[string]func(*bench){}
	for _, operation := range []string{
		"ListInstances", "ListImages", "LaunchInstance", "GetInstance", "ListVnicAttachments", "GetVnic",
		"TerminateInstance", "ListBootVolumeAttachments", "ListBootVolumes",
	} {
		faults[operation+" refused with 503"] = onOCI(operation, sim.Fault{Status: 503, Code: "ServiceUnavailable"})
		faults[operation+" done and its answer lost"] = onOCI(operation, sim.Fault{AfterCommit: true, Reset: true})
	}
	faults["a throttled launch"] = onOCI("LaunchInstance", sim.Fault{Status: 429, Code: "TooManyRequests"})
	for _, operation := range []string{
		tailnetsim.OpToken, tailnetsim.OpListKeys, tailnetsim.OpCreateKey, tailnetsim.OpDeleteKey, tailnetsim.OpListDevices,
		tailnetsim.OpGetRoutes, tailnetsim.OpSetRoutes, tailnetsim.OpDeleteDevice,
	} {
		faults["tailnet's "+operation+" refused with 503"] = onTailnet(operation, tailnetsim.Fault{Status: 503})
		faults["tailnet's "+operation+" done and its answer lost"] = onTailnet(operation, tailnetsim.Fault{LoseAnswer: true})
	}
	for name, inject := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{})
			inject(b)
			own := b.machine(t, "machine", controlPlane)
			b.untilProvisioned(t, own)
			g.Expect(b.instances(t)).To(HaveLen(1))
			g.Expect(b.Control.Devices()).To(HaveLen(1))
			g.Expect(b.Control.Leftovers().Keys).To(BeEmpty())
			b.delete(t, own)
			b.expectNothingLeft(t)
		})
	}
}

func TestALaunchThatListsDoNotShowYetIsNotRepeated(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	b.OCI.AddFault(sim.Fault{Operation: "LaunchInstance", AfterCommit: true, Reset: true})
	// The search finds nothing, as if the list lagged: the retry token has to do.
	own := b.machine(t, "machine")
	b.until(t, own, func(g Gomega) { g.Expect(b.calls("LaunchInstance")).To(Equal(1)) })
	s := b.scopeOf(t, own)
	g.Expect(b.r.loadKey(t.Context(), s)).To(Succeed())
	g.Expect(b.r.prerequisites(t.Context(), s)).To(Succeed())
	g.Expect(b.r.bootstrapData(t.Context(), s)).To(Succeed())
	g.Expect(b.r.tailnetKey(t.Context(), s)).To(Succeed())
	g.Expect(b.r.launch(t.Context(), s)).To(Succeed())

	g.Expect(b.calls("LaunchInstance")).To(Equal(2))
	g.Expect(b.instances(t)).To(HaveLen(1))
	g.Expect(own.Status.Instance.ID).To(Equal(b.instances(t)[0].ID))
}

// scopeOf is a pass's scope, for tests of one phase.
func (b *bench) scopeOf(t *testing.T, own *infrav1.OCIMeshMachine) *scope {
	t.Helper()
	s, err := b.r.newScope(t.Context(), own)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	s.before = own.DeepCopy()
	s.identify()
	return s
}

func TestAStalePlacementIsNotLaunched(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{Accounts: 2})
	own := b.machine(t, "machine")
	for own.Status.Placement.Account == "" {
		b.pass(t, own)
		b.Reload(t, own)
	}
	stale := own.DeepCopy()
	own.Status.Placement.Account = b.Accounts[1].Name
	g.Expect(b.Client.Status().Update(t.Context(), own)).To(Succeed())

	s := b.scopeOf(t, stale)
	g.Expect(b.r.launch(t.Context(), s)).To(Succeed())
	g.Expect(s.Stopped()).To(BeTrue())
	g.Expect(b.calls("LaunchInstance")).To(BeZero())

	// Nor is a new decision written over one that was not seen, by a process that knows of neither.
	b.r = b.reconciler()
	stale.Status.Placement = infrav1.Placement{}
	s = b.scopeOf(t, stale)
	g.Expect(b.r.choose(t.Context(), s)).To(Succeed())
	g.Expect(b.r.save(t.Context(), s)).To(Succeed())
	b.Reload(t, own)
	g.Expect(own.Status.Placement.Account).To(Equal(b.Accounts[1].Name))
}

func TestStatusIsFoundAgainAfterItWasLost(t *testing.T) {
	for name, when := range map[string]string{
		"while the machine boots": "TailnetReady False Joining",
		"when it runs":            "Ready True Ready",
	} {
		t.Run(name, func(t *testing.T) {
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
	s.own, s.key.secret = copied, placeholderKey
	g.Expect(b.r.bootstrapData(t.Context(), s)).To(Succeed())
	spec, c, err := b.r.launchSpec(t.Context(), s)
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

// TestUnderAManager drives the watches: nobody calls Reconcile.
func TestUnderAManager(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{Accounts: 3})
	b.Manager(t, func(ctx context.Context, mgr manager.Manager) error {
		r := b.reconciler()
		r.Client, r.APIReader = mgr.GetClient(), mgr.GetAPIReader()
		if err := mgr.Add(b.pollers); err != nil {
			return err
		}
		r.Recorder = mgr.GetEventRecorder("ocimeshmachine-controller")
		return r.SetupWithManager(ctx, mgr, controller.Options{MaxConcurrentReconciles: 4})
	}, b.Namespace)
	var all []*infrav1.OCIMeshMachine
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		all = append(all, b.machine(t, name))
	}
	domains := map[string]int{}
	for _, own := range all {
		eventually(g, func(g Gomega) {
			g.Expect(b.Client.Get(t.Context(), client.ObjectKeyFromObject(own), own)).To(Succeed())
			g.Expect(helpers.ConditionsOf(own)).To(ContainElement("Ready True Ready"))
		})
		domains[own.Status.FailureDomain]++
	}
	g.Expect(b.instances(t)).To(HaveLen(6))
	for domain, count := range domains {
		g.Expect(count).To(Equal(2), domain)
	}
	for _, own := range all {
		g.Expect(b.Client.Delete(t.Context(), own)).To(Succeed())
	}
	for _, own := range all {
		eventually(g, func(g Gomega) {
			g.Expect(client.IgnoreNotFound(b.Client.Get(t.Context(), client.ObjectKeyFromObject(own), own))).To(Succeed())
			g.Expect(b.instances(t)).To(BeEmpty())
			g.Expect(b.Control.Devices()).To(BeEmpty())
		})
	}
	b.expectNothingLeft(t)
}

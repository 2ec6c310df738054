// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package poolmachine_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/poller"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

func TestAnAccountThatDoesNotShowItsInstancesIsToldAndHeals(t *testing.T) {
	for name, world := range map[string]struct {
		fault                    sim.Fault
		ready, instance, tailnet string
	}{
		"OCI does not answer": {
			sim.Fault{Operation: "ListInstances", Status: 503, Code: "ServiceUnavailable", Times: -1},
			"False Unavailable", "False Unavailable", "False Waiting",
		},
		"the account's key is refused": {
			sim.Fault{Operation: "ListInstances", Status: 401, Code: "NotAuthenticated", Times: -1},
			"False AuthenticationFailed", "False AuthenticationFailed", "False Waiting",
		},
		"its addresses cannot be read": {
			sim.Fault{Operation: "ListVnicAttachments", Status: 404, Code: "NotAuthorizedOrNotFound", Times: -1},
			"False NotAuthorizedOrNotFound", "False NotAuthorizedOrNotFound", "Unknown Waiting",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t)
			object := b.node(t)
			b.join(object)
			b.OCI.AddFault(world.fault)
			b.untilConditions(t, object, world.ready, world.instance, world.tailnet)
			g.Expect(object.Status.Initialization.Provisioned).To(BeNil())
			g.Expect(object.DeletionTimestamp.IsZero()).To(BeTrue(), "nothing is gone on evidence")

			b.OCI.ClearFaults()
			b.untilConditions(t, object, "True Ready", "True Ready", "True Ready")
			b.until(t, object, func(g Gomega) { g.Expect(object.Status.Initialization.Provisioned).To(HaveValue(BeTrue())) })
		})
	}
}

func TestAnInstanceThatSomebodyStoppedIsTold(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t)
	object := b.node(t)
	g.Expect(b.OCI.StopInstance(b.instance)).To(Succeed())
	b.untilConditions(t, object, "False InstanceStopped", "False InstanceStopped", "False Joining")
	b.until(t, object, func(g Gomega) { g.Expect(object.Status.Instance.State).To(Equal("STOPPED")) })
	g.Expect(helpers.MessageOf(object, infrav1.InstanceReadyCondition)).To(And(
		HavePrefix("Instance is STOPPED"), ContainSubstring("start it, or delete the Machine")))
}

// OCI puts another instance in its place, for which there is another object: this one's Machine
// has to go, so that its node does.
func TestAnInstanceThatIsGoneTakesItsMachineAlong(t *testing.T) {
	machine := func(b *bench, object *expv1.OCIMeshMachinePoolMachine, kind string) *clusterv1.Machine {
		return &clusterv1.Machine{
			ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace, Name: object.Name, Finalizers: []string{clusterv1.MachineFinalizer}},
			Spec: clusterv1.MachineSpec{
				ClusterName: "blue", Bootstrap: clusterv1.Bootstrap{DataSecretName: ptr.To("")},
				InfrastructureRef: clusterv1.ContractVersionedObjectReference{APIGroup: expv1.GroupVersion.Group, Kind: kind, Name: object.Name},
			},
		}
	}
	for name, world := range map[string]struct {
		// kind is what the Machine of the object's name is about; empty if there is none.
		kind          string
		machine, self bool
	}{
		"its Machine goes, and the object when that says so":    {kind: "OCIMeshMachinePoolMachine", machine: true},
		"without a Machine the object goes":                     {self: true},
		"a Machine of another kind that has its name is spared": {kind: "OCIMeshMachine", self: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t)
			object, _ := b.joined(t)
			owner := machine(b, object, world.kind)
			if world.kind != "" {
				b.Create(t, owner)
			}
			g.Expect(b.OCI.TerminateInstance(b.instance)).To(Succeed())
			want := []string{
				"Ready False InstanceTerminated", "InstanceReady False InstanceTerminated", "TailnetReady Unknown Waiting",
				"Deleting False NotDeleting", "Paused False NotPaused",
			}
			b.until(t, object, func(g Gomega) {
				g.Expect(object.Status.Instance.State).To(Equal("TERMINATED"))
				g.Expect(helpers.ConditionsOf(object)).To(ConsistOf(want))
			})
			helpers.ExpectConditions(t, object, want...)
			g.Expect(object.Status.Initialization.Provisioned).To(HaveValue(BeTrue()), "that is never taken back")

			g.Expect(!object.DeletionTimestamp.IsZero()).To(Equal(world.self))
			if world.kind != "" {
				b.Reload(t, owner)
				g.Expect(!owner.DeletionTimestamp.IsZero()).To(Equal(world.machine))
			}
			if world.self {
				b.untilGone(t, object)
				g.Expect(b.Control.Devices()).To(BeEmpty())
			}
		})
	}
}

// makeAccountAnew makes the first account by hand, as after a move, for a tenancy.
func (b *bench) makeAccountAnew(t *testing.T, tenancy int) {
	t.Helper()
	was := b.Accounts[0]
	NewWithT(t).Expect(b.Client.Delete(t.Context(), was)).To(Succeed())
	b.Accounts[0] = helpers.NewOCIAccount(was.Name, b.Credentials[tenancy], helpers.Region, b.Tenancies[tenancy].Compartment(), b.OCI.URL())
	b.Create(t, b.Accounts[0])
	b.MakeReady(t, was.Name)
}

func TestAnInstanceThatTheAccountNeverShowedIsNotTakenForGone(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t)
	object, _ := b.joined(t)
	g.Expect(b.Client.Status().Patch(t.Context(), object, client.RawPatch(types.MergePatchType, []byte(`{"status":null}`)))).To(Succeed())
	b.makeAccountAnew(t, 1)

	b.until(t, object, func(g Gomega) {
		g.Expect(object.DeletionTimestamp.IsZero()).To(BeTrue())
		g.Expect(helpers.ConditionsOf(object)).To(ContainElements("Ready False InstanceNotOwned", "InstanceReady False InstanceNotOwned"))
	})
	g.Expect(helpers.MessageOf(object, infrav1.InstanceReadyCondition)).To(And(
		ContainSubstring(b.instance), ContainSubstring("OCIAccount "+b.Accounts[0].Name)))
	g.Expect(object.Status.Account).To(BeEmpty(), "nothing is proven")
	b.expectUntouched(t)

	b.makeAccountAnew(t, 0)
	b.untilConditions(t, object, "True Ready", "True Ready", "True Ready")
}

// What was here is gone when the account says so.
func TestAnInstanceThatWasHereIsTakenForGone(t *testing.T) {
	for name, world := range map[string]struct{ forgotten, restarted, pool bool }{
		"by its record":                        {restarted: true},
		"by the tags that it had":              {forgotten: true},
		"since the account has its pool still": {forgotten: true, restarted: true, pool: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t)
			object, _ := b.joined(t)
			r := b.reconciler(t)
			if world.pool {
				b.claims(t, b.claimed(t, ownership.Claim{}), infrav1.ClaimStatus{})
			}
			if world.restarted {
				r.Pollers = poller.New(env.Client, b.Clients, poller.Options{PollInterval: tick, ProgressInterval: tick})
			}
			if world.forgotten {
				g.Expect(b.Client.Status().Patch(t.Context(), object, client.RawPatch(types.MergePatchType, []byte(`{"status":null}`)))).To(Succeed())
			}
			cache, began := r.Pollers.Cache(b.Accounts[0]), time.Now()
			cache.Begin(began)
			cache.Complete(nil, began, time.Now())
			b.OCI.AddFault(sim.Fault{Operation: "GetInstance", Status: 404, Code: "NotAuthorizedOrNotFound", Times: -1})

			eventually(g, func(g Gomega) {
				b.reconcile(t, g, r, object)
				g.Expect(object.DeletionTimestamp.IsZero()).To(BeFalse())
			})
			g.Expect(helpers.ConditionsOf(object)).To(ContainElement("InstanceReady False InstanceTerminated"))
		})
	}
}

func TestAMachineIsNotReadyBeforeItsAddressIsKnown(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t)
	object := b.node(t)
	b.join(object)
	r := b.reconciler(t)
	for range 3 {
		// The next poll would show the address.
		b.reconcile(t, g, r, object)
	}
	g.Expect(helpers.ConditionsOf(object)).To(ContainElements("Ready False InstanceProvisioning", "TailnetReady True Ready"))
	g.Expect(object.Status.Initialization.Provisioned).To(BeNil(), "Cluster API is to know the address")
	b.untilConditions(t, object, "True Ready", "True Ready", "True Ready")
	g.Expect(object.Status.Initialization.Provisioned).To(HaveValue(BeTrue()))
}

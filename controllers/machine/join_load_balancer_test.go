// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/cloudinit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/loadbalancer"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/identity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

var balancedTypes = []infrav1.EndpointType{infrav1.EndpointNetworkLoadBalancer, infrav1.EndpointLoadBalancer}

func TestNoKindOfLoadBalancerIsLeftOut(t *testing.T) {
	NewWithT(t).Expect(balancedTypes).To(ConsistOf(helpers.BalancerTypes(t)))
}

// newBalancedBench has a cluster with an ACTIVE load balancer, as its controller leaves it.
func newBalancedBench(t *testing.T, kind infrav1.EndpointType, options helpers.WorldOptions) *bench {
	t.Helper()
	g := NewWithT(t)
	b := newBench(t, options)
	b.cluster, b.infra = b.newCluster(t, "balanced", func(infra *infrav1.OCIMeshCluster) {
		infra.Spec.EndpointType = kind
		infra.Spec.LoadBalancer.Scope = infrav1.LoadBalancerPublic
		infra.Spec.ControlPlaneEndpoint = infrav1.APIEndpoint{Host: "api.example.com", Port: 6443}
		for i := range infra.Spec.Accounts {
			infra.Spec.Accounts[i].ControlPlane = ptr.To(i == 0)
		}
	})
	spec := loadbalancer.Spec{SubnetID: b.infra.Status.Accounts[0].SubnetID, Port: 6443, Bandwidth: oci.Bandwidth{Minimum: 10, Maximum: 10}}
	known := loadbalancer.Known{}
	eventually(g, func(g Gomega) {
		state, err := b.service(t).Ensure(t.Context(), b.owner(), spec, known)
		known = state.Known
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(state.Ready).To(BeTrue())
	})
	b.infra.Status.LoadBalancer = infrav1.LoadBalancerStatus{ID: known.ID, State: "ACTIVE"}
	g.Expect(b.Client.Status().Update(t.Context(), b.infra)).To(Succeed())
	return b
}

func (b *bench) owner() ownership.Owner { return identity.OfCluster(b.infra) }

func (b *bench) service(t *testing.T) loadbalancer.Account {
	t.Helper()
	c, err := b.Clients.OCI(t.Context(), b.Accounts[0])
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	balancers, err := loadbalancer.In(c, b.infra.Spec.EndpointType)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return balancers
}

// backends are the addresses behind the load balancer.
func (b *bench) backends(t *testing.T) []string {
	t.Helper()
	found, err := b.service(t).Get(t.Context(), b.infra.Status.LoadBalancer.ID)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	out := []string{}
	for _, backend := range found.BackendSets["control-planes"].Backends {
		out = append(out, backend.Address.String())
	}
	return out
}

// expectNothingLeftButTheLoadBalancer gives the load balancer up and expects nothing else.
func (b *bench) expectNothingLeftButTheLoadBalancer(t *testing.T) {
	t.Helper()
	g := NewWithT(t)
	g.Expect(b.backends(t)).To(BeEmpty())
	eventually(g, func(g Gomega) {
		removal, err := b.service(t).Remove(t.Context(), b.owner(), b.infra.Status.LoadBalancer.ID, true)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(removal.Gone).To(BeTrue())
	})
	b.expectNothingLeft(t)
}

func TestAControlPlaneIsBehindTheLoadBalancerFromBeforeItIsProvisionedUntilBeforeItGoes(t *testing.T) {
	t.Parallel()
	for _, kind := range balancedTypes {
		t.Run(string(kind), func(t *testing.T) {
			g := NewWithT(t)
			b := newBalancedBench(t, kind, helpers.WorldOptions{Accounts: 2})
			b.booter.setAsleep(true)
			own := b.machine(t, "machine", controlPlane)

			// It boots and has not joined: kubeadm may call the endpoint any moment.
			b.untilCondition(t, own, "TailnetReady False Joining")
			b.until(t, own, func(g Gomega) {
				g.Expect(helpers.ConditionsOf(own)).To(ContainElement("LoadBalancerReady True Ready"))
			})
			g.Expect(b.backends(t)).To(Equal([]string{own.Status.Instance.PrivateIP}))
			g.Expect(own.Status.Initialization.Provisioned).To(BeNil())
			machines := b.instances(t)
			parsed, err := cloudinit.Parse(machines[0].UserData)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(parsed.VIP).To(BeFalse(), "no VIP agent runs")
			g.Expect(parsed.EndpointHost).To(Equal("api.example.com"))
			b.booter.setAsleep(false)
			b.booter.Boot(t.Context(), machines[0])
			b.untilProvisioned(t, own)
			helpers.ExpectConditions(t, own, "Ready True Ready", "Deleting False NotDeleting", "Placed True Ready", "InstanceReady True Ready",
				"TailnetReady True Ready", "LoadBalancerReady True Ready", "Paused False NotPaused")
			g.Expect(own.Status.Placement.Account).To(Equal(b.Accounts[0].Name))

			b.OCI.ResetCalls()
			b.pass(t, own)
			g.Expect(b.calls("GetNetworkLoadBalancer")+b.calls("GetLoadBalancer")).To(BeZero(), "at rest the cluster's controller looks")

			g.Expect(b.Client.Delete(t.Context(), own)).To(Succeed())
			b.untilCondition(t, own, "Deleting True LeavingLoadBalancer")
			g.Expect(b.calls("TerminateInstance")).To(BeZero())
			b.until(t, own, func(g Gomega) { g.Expect(b.calls("TerminateInstance")).To(Equal(1)) })
			g.Expect(b.backends(t)).To(BeEmpty(), "it left first")
			b.delete(t, own)
			b.expectNothingLeftButTheLoadBalancer(t)
		})
	}
}

func TestAWorkerHasNothingToDoWithTheLoadBalancer(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBalancedBench(t, infrav1.EndpointNetworkLoadBalancer, helpers.WorldOptions{})
	own := b.machine(t, "machine")

	b.untilProvisioned(t, own)

	helpers.ExpectConditions(t, own, "Ready True Ready", "Deleting False NotDeleting", "Placed True Ready", "InstanceReady True Ready",
		"TailnetReady True Ready", "Paused False NotPaused")
	g.Expect(b.backends(t)).To(BeEmpty())
	b.delete(t, own)
	b.expectNothingLeftButTheLoadBalancer(t)
}

func TestControlPlanesJoinAndLeaveTheLoadBalancerAtTheSameTime(t *testing.T) {
	t.Parallel()
	for _, kind := range balancedTypes {
		t.Run(string(kind), func(t *testing.T) {
			g := NewWithT(t)
			b := newBalancedBench(t, kind, helpers.WorldOptions{})
			var all []*infrav1.OCIMeshMachine
			for _, name := range []string{"a", "b", "c"} {
				all = append(all, b.machine(t, name, controlPlane))
			}
			eventually(g, func(g Gomega) {
				for _, own := range all {
					b.pass(t, own)
					b.Reload(t, own)
				}
				for _, own := range all {
					g.Expect(helpers.ConditionsOf(own)).To(ContainElement("Ready True Ready"))
				}
			})
			g.Expect(b.backends(t)).To(HaveLen(3))
			b.delete(t, all[0])
			b.delete(t, all[1])
			g.Expect(b.backends(t)).To(Equal([]string{all[2].Status.Instance.PrivateIP}))
			b.delete(t, all[2])
			b.expectNothingLeftButTheLoadBalancer(t)
		})
	}
}

func TestAnAnswerOfTheLoadBalancerLostAnywhereLeavesNoBackend(t *testing.T) {
	t.Parallel()
	operations := map[infrav1.EndpointType][]string{
		infrav1.EndpointNetworkLoadBalancer: {
			"GetNetworkLoadBalancer", "CreateBackend", "GetNetworkLoadBalancerWorkRequest", "DeleteBackend",
		},
		infrav1.EndpointLoadBalancer: {
			"GetLoadBalancer", "CreateLoadBalancerBackend", "GetLoadBalancerWorkRequest", "DeleteLoadBalancerBackend",
		},
	}
	for kind, names := range operations {
		for _, operation := range names {
			for name, fault := range map[string]sim.Fault{
				"refused with 503": {Status: 503, Code: "ServiceUnavailable"}, "throttled": {Status: 429, Code: "TooManyRequests"},
				"done and its answer lost": {AfterCommit: true, Reset: true},
			} {
				t.Run(operation+" "+name, func(t *testing.T) {
					t.Parallel()
					g := NewWithT(t)
					b := newBalancedBench(t, kind, helpers.WorldOptions{})
					fault.Operation = operation
					b.OCI.AddFault(fault)
					own := b.machine(t, "machine", controlPlane)
					eventually(g, func(g Gomega) {
						if own.Status.Instance.ID != "" {
							// Each pass is one of a new process.
							b.r = b.reconciler()
						}
						b.pass(t, own)
						b.Reload(t, own)
						g.Expect(helpers.ConditionsOf(own)).To(ContainElement("Ready True Ready"), "%v", own.Status.Conditions)
					})
					g.Expect(b.backends(t)).To(Equal([]string{own.Status.Instance.PrivateIP}))
					b.delete(t, own)
					b.expectNothingLeftButTheLoadBalancer(t)
				})
			}
		}
	}
}

func TestARegistrationThatOCIGivesUpIsToldOfAndTriedAgain(t *testing.T) {
	t.Parallel()
	for kind, operation := range map[infrav1.EndpointType]string{
		infrav1.EndpointNetworkLoadBalancer: "CreateBackend", infrav1.EndpointLoadBalancer: "CreateLoadBalancerBackend",
	} {
		t.Run(string(kind), func(t *testing.T) {
			g := NewWithT(t)
			b := newBalancedBench(t, kind, helpers.WorldOptions{})
			b.OCI.AddFault(sim.Fault{Operation: operation, WorkRequestFails: true, Code: "InternalError", Message: "Not today."})
			own := b.machine(t, "machine", controlPlane)

			b.untilCondition(t, own, "LoadBalancerReady False BackendFailed")

			g.Expect(helpers.MessageOf(own, infrav1.LoadBalancerReadyCondition)).To(ContainSubstring("Not today"))
			g.Expect(own.Status.Initialization.Provisioned).To(BeNil())
			b.sleep(time.Hour)
			b.untilProvisioned(t, own)
			learned := b.r.backends.from(0).Waits.Begin(backendWork, time.Unix(0, 0)).After(time.Unix(0, 0))
			g.Expect(learned).To(BeNumerically("<", time.Minute), "others are not looked for so late")
			b.delete(t, own)
			b.expectNothingLeftButTheLoadBalancer(t)
		})
	}
}

func TestAFailedLookAtARegistrationForgetsNoWait(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBalancedBench(t, infrav1.EndpointNetworkLoadBalancer, helpers.WorldOptions{})
	own := b.machine(t, "machine", controlPlane)
	b.until(t, own, func(g Gomega) { g.Expect(own.Status.Backend.WorkRequestID).NotTo(BeEmpty()) })
	pending, key := b.r.backends.from(0), client.ObjectKeyFromObject(own).String()
	g.Expect(pending.Awaits(key)).To(BeTrue())

	b.OCI.AddFault(sim.Fault{Operation: "GetNetworkLoadBalancer", Status: 503, Code: "ServiceUnavailable", Message: "Not today.", Times: -1})
	b.sleep(time.Minute)
	b.untilCondition(t, own, "LoadBalancerReady False Unavailable")
	g.Expect(pending.Awaits(key)).To(BeTrue(), "OCI goes on with what it was asked for")

	b.OCI.ClearFaults()
	b.untilProvisioned(t, own)
}

func (b *bench) onlyBalancer(t *testing.T) string {
	t.Helper()
	g := NewWithT(t)
	found, err := b.service(t).List(t.Context(), map[string]string{infrav1.ClusterUIDTag: identity.Of(b.infra)})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(HaveLen(1))
	return found[0].ID
}

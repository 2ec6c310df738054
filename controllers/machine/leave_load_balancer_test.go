// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

func TestAMachineThatLostItsStatusLeavesTheLoadBalancerAllTheSame(t *testing.T) {
	t.Parallel()
	for _, kind := range balancedTypes {
		t.Run(string(kind), func(t *testing.T) {
			g := NewWithT(t)
			b := newBalancedBench(t, kind, helpers.WorldOptions{})
			own := b.machine(t, "machine", controlPlane)
			b.untilProvisioned(t, own)
			for _, object := range []client.Object{own, b.infra} {
				g.Expect(b.Client.Status().Patch(t.Context(), object, client.RawPatch(types.MergePatchType, []byte(`{"status":null}`)))).To(Succeed())
			}
			b.r = b.reconciler()
			g.Expect(own.Status.Backend.Name).To(BeEmpty())

			b.delete(t, own)

			b.infra.Status.LoadBalancer.ID = b.onlyBalancer(t)
			b.expectNothingLeftButTheLoadBalancer(t)
		})
	}
}

func TestALoadBalancerThatDoesNotAnswerHoldsUpTheEndOfAControlPlane(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBalancedBench(t, infrav1.EndpointNetworkLoadBalancer, helpers.WorldOptions{})
	own := b.machine(t, "machine", controlPlane)
	b.untilProvisioned(t, own)
	b.OCI.AddFault(sim.Fault{Operation: "GetNetworkLoadBalancer", Status: 503, Code: "ServiceUnavailable", Times: -1})
	g.Expect(b.Client.Delete(t.Context(), own)).To(Succeed())

	b.untilCondition(t, own, "Deleting True WaitingForAccount")

	g.Expect(helpers.MessageOf(own, infrav1.DeletingCondition)).To(ContainSubstring("load balancer"))
	g.Expect(b.calls("TerminateInstance")).To(BeZero())
	b.OCI.ClearFaults()
	b.delete(t, own)
	b.expectNothingLeftButTheLoadBalancer(t)
}

func TestALoadBalancerThatIsGoneHoldsUpNothing(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBalancedBench(t, infrav1.EndpointNetworkLoadBalancer, helpers.WorldOptions{})
	own := b.machine(t, "machine", controlPlane)
	b.untilProvisioned(t, own)
	eventually(g, func(g Gomega) {
		removal, err := b.service(t).Remove(t.Context(), b.owner(), b.infra.Status.LoadBalancer.ID, true)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(removal.Gone).To(BeTrue())
	})

	b.delete(t, own)

	b.expectNothingLeft(t)
}

func TestNobodyAsksWhetherAMachineIsOutBeforeItCanBe(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBalancedBench(t, infrav1.EndpointNetworkLoadBalancer, helpers.WorldOptions{})
	own := b.machine(t, "machine", controlPlane)
	b.untilProvisioned(t, own)
	taken := b.r.backends.from(tick).Waits.Begin(backendWork, b.now().Add(-time.Minute))
	taken.Unfinished(b.now())
	taken.Finished(b.now())
	g.Expect(b.Client.Delete(t.Context(), own)).To(Succeed())
	b.untilCondition(t, own, "Deleting True LeavingLoadBalancer")
	b.OCI.ResetCalls()

	for range 5 {
		b.pass(t, own)
	}

	g.Expect(b.calls("GetNetworkLoadBalancer")).To(BeZero())
	b.sleep(2 * time.Minute)
	b.delete(t, own)
	b.expectNothingLeftButTheLoadBalancer(t)
}

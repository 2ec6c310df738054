// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool_test

import (
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/types"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

func TestStatusIsFoundAgainAfterItWasLost(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 2)
	b.untilReady(t, 2)
	before := b.own.DeepCopy()
	g.Expect(b.Client.Status().Patch(t.Context(), b.own, client.RawPatch(types.MergePatchType, []byte(`{"status":null}`)))).To(Succeed())

	b.restart()
	b.untilReady(t, 2)

	g.Expect(b.own.Status.Pool.ID).To(Equal(before.Status.Pool.ID))
	g.Expect(b.own.Status.Configuration).To(Equal(before.Status.Configuration))
	g.Expect(b.calls("CreateInstancePool")).To(Equal(1))
	g.Expect(b.calls("CreateInstanceConfiguration")).To(Equal(1))
}

func TestAPoolThatWasTerminatedOutsideIsMadeAnew(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 1)
	b.untilReady(t, 1)
	c, err := b.Clients.OCI(t.Context(), b.Accounts[0])
	g.Expect(err).NotTo(HaveOccurred())
	first := b.own.Status.Pool.ID

	g.Expect(c.TerminateInstancePool(t.Context(), ownership.Recorded(first))).To(Succeed())

	b.until(t, func(g Gomega) {
		g.Expect(b.own.Status.Pool.ID).NotTo(BeElementOf(first, ""))
	})
	b.untilReady(t, 1)
	b.delete(t)
	b.expectNothingLeft(t)
}

// The permission for instance pools is one of its own: what may list instances and networks may not
// see pools for that.
func TestAPoolThatMayNotBeSeenIsNotGivenUp(t *testing.T) {
	t.Parallel()
	for name, world := range map[string]struct {
		operations []string
		times      int
	}{
		"the permission for pools is lost":         {[]string{"GetInstancePool", "ListInstancePools"}, -1},
		"one answer denies what the list does not": {[]string{"GetInstancePool"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, 1)
			b.untilReady(t, 1)
			first := b.own.Status.Pool.ID
			for _, operation := range world.operations {
				b.OCI.AddFault(sim.Fault{Operation: operation, Status: 404, Code: "NotAuthorizedOrNotFound", Times: world.times})
			}

			b.passes(t, 1)
			b.Reload(t, b.own)

			g.Expect(helpers.ConditionsOf(b.own)).To(ContainElement("PoolReady False NotAuthorizedOrNotFound"))
			g.Expect(b.own.Status.Pool.ID).To(Equal(first))
			b.OCI.ClearFaults()
			b.untilReady(t, 1)
			g.Expect(b.own.Status.Pool.ID).To(Equal(first))
			g.Expect(b.calls("CreateInstancePool")).To(Equal(1))
		})
	}
}

func TestAPoolOfOCIsAutoscalingIsMadeWithTheMachinePoolsSize(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 2, func(p *clusterv1.MachinePool, _ *expv1.OCIMeshMachinePool) {
		p.Annotations = map[string]string{clusterv1.ReplicasManagedByAnnotation: "oci-autoscaling"}
	})
	b.untilReady(t, 2)
	c, err := b.Clients.OCI(t.Context(), b.Accounts[0])
	g.Expect(err).NotTo(HaveOccurred())
	autoscale := func(size int) {
		_, err = c.UpdateInstancePool(t.Context(), ownership.Recorded(b.own.Status.Pool.ID), oci.PoolChange{Size: &size})
		g.Expect(err).NotTo(HaveOccurred())
		b.untilReady(t, size)
		b.Reload(t, b.machinePool)
		g.Expect(b.machinePool.Spec.Replicas).To(HaveValue(BeEquivalentTo(size)))
	}
	autoscale(3)

	// Another one in the place of one that is lost has as many.
	first := b.own.Status.Pool.ID
	g.Expect(c.TerminateInstancePool(t.Context(), ownership.Recorded(first))).To(Succeed())
	b.until(t, func(g Gomega) { g.Expect(b.own.Status.Pool.ID).NotTo(BeElementOf(first, "")) })
	b.untilReady(t, 3)
	b.Reload(t, b.machinePool)
	g.Expect(b.machinePool.Spec.Replicas).To(HaveValue(BeEquivalentTo(3)))

	autoscale(0)
	b.passes(t, 5)
	b.untilReady(t, 0)
}

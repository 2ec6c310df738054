// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool_test

import (
	"testing"

	. "github.com/onsi/gomega"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

func TestReplicasThatSomethingElseManagesAreFollowed(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 1, func(p *clusterv1.MachinePool, _ *expv1.OCIMeshMachinePool) {
		p.Annotations = map[string]string{clusterv1.ReplicasManagedByAnnotation: "oci-autoscaling"}
	})
	b.until(t, func(g Gomega) { g.Expect(b.own.Status.Pool.ID).NotTo(BeEmpty()) })
	c, err := b.Clients.OCI(t.Context(), b.Accounts[0])
	g.Expect(err).NotTo(HaveOccurred())
	three := 3
	_, err = c.UpdateInstancePool(t.Context(), ownership.Recorded(b.own.Status.Pool.ID), oci.PoolChange{Size: &three})
	g.Expect(err).NotTo(HaveOccurred())

	b.untilReady(t, 3)

	b.Reload(t, b.machinePool)
	g.Expect(b.machinePool.Spec.Replicas).To(HaveValue(BeEquivalentTo(3)))
}

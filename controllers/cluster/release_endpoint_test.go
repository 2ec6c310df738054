// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"testing"

	. "github.com/onsi/gomega"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

func TestTheAddressIsGivenBackLastAndOnlyByWhomItIsOf(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	infra := b.cluster("c1")
	b.until(infra, "Ready True Ready")
	external := b.cluster("c2", func(_ *clusterv1.Cluster, infra *infrav1.OCIMeshCluster) {
		infra.Spec.EndpointType, infra.Spec.ControlPlaneEndpoint.Host = infrav1.EndpointExternal, "10.250.0.1"
	})
	b.until(external, "Ready True Ready")
	allocated := func() int {
		b.Reload(t, b.Tailnet)
		return len(b.Tailnet.Status.VIPAllocations)
	}

	b.deleted(external)
	b.g.Expect(allocated()).To(Equal(1), "that of the cluster with an address of the tailnet")

	machine := b.machineIn(infra, "m1", b.Accounts[0].Name)
	b.g.Expect(env.Client.Delete(t.Context(), infra.DeepCopy())).To(Succeed())
	b.until(infra, "Deleting True InUse")
	b.g.Expect(allocated()).To(Equal(1), "the machine still uses it")

	b.g.Expect(env.Client.Delete(t.Context(), machine)).To(Succeed())
	b.until(infra, "Deleting True Deleting")
	b.g.Expect(allocated()).To(Equal(1), "the networks go first")
	b.untilGone(infra)
	b.g.Expect(allocated()).To(BeZero())
}

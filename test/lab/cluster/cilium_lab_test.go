// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build lab

package cluster_test

import (
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/addons"
)

// expectCilium checks that the release of the cluster's HelmChartProxy is deployed, that each node
// has an agent, and that the metadata policy has come by the ClusterResourceSet.
func (s *suite) expectCilium() {
	s.t.Helper()
	s.Eventually(func(g Gomega) {
		releases := list(addons.GroupVersion.WithKind("HelmReleaseProxyList"))
		g.Expect(s.world.Client.List(s.t.Context(), releases, client.InNamespace(s.cluster.Name))).To(Succeed())
		g.Expect(releases.Items).To(HaveLen(1))
		g.Expect(releases.Items[0].Object["status"]).To(HaveKeyWithValue("status", "deployed"))

		workload, err := s.cluster.Client(s.t.Context())
		g.Expect(err).NotTo(HaveOccurred())
		agents := &appsv1.DaemonSet{}
		g.Expect(workload.Get(s.t.Context(), client.ObjectKey{Namespace: "kube-system", Name: "cilium"}, agents)).To(Succeed())
		g.Expect(agents.Status.NumberReady).To(BeEquivalentTo(s.cluster.ControlPlanes + s.cluster.Workers))
		policies := list(schema.GroupVersionKind{Group: "cilium.io", Version: "v2", Kind: "CiliumClusterwideNetworkPolicyList"})
		g.Expect(workload.List(s.t.Context(), policies)).To(Succeed())
		g.Expect(policies.Items).To(HaveLen(1))
	}, settleTimeout, interval).Should(Succeed())
}

func list(kind schema.GroupVersionKind) *unstructured.UnstructuredList {
	all := &unstructured.UnstructuredList{}
	all.SetGroupVersionKind(kind)
	return all
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build lab

package cluster_test

import (
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
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

// expectPodsWaited checks that a probe was on its node before the node's agent was ready: such pods
// wait for their network, and do not fail.
func (s *suite) expectPodsWaited() {
	s.t.Helper()
	agents := &corev1.PodList{}
	s.Expect(s.workload().List(s.t.Context(), agents, client.InNamespace("kube-system"), client.MatchingLabels{"k8s-app": "cilium"})).To(Succeed())
	probes, err := s.cluster.Probes(s.t.Context())
	s.Expect(err).NotTo(HaveOccurred())
	waited := 0
	for _, probe := range probes.Pods {
		for i := range agents.Items {
			agent := &agents.Items[i]
			if agent.Spec.NodeName == probe.Spec.NodeName && since(&probe, corev1.PodScheduled).Before(since(agent, corev1.PodReady)) {
				waited++
			}
		}
	}
	s.Expect(waited).To(BeNumerically(">", 0))
}

// since is when a condition of a pod last changed.
func since(pod *corev1.Pod, kind corev1.PodConditionType) time.Time {
	for _, c := range pod.Status.Conditions {
		if c.Type == kind {
			return c.LastTransitionTime.Time
		}
	}
	return time.Time{}
}

func list(kind schema.GroupVersionKind) *unstructured.UnstructuredList {
	all := &unstructured.UnstructuredList{}
	all.SetGroupVersionKind(kind)
	return all
}

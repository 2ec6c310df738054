// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build lab && outages

package cluster_test

import (
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/watch"
)

// podMoves moves a pod between the nodes of two workers, and has the pods of all machines ask its
// Service meanwhile.
func (s *suite) podMoves(from, to watch.Machine, what string) {
	s.t.Helper()
	workload := s.workload()
	labels := map[string]string{"app": "lab-mover"}
	meta := metav1.ObjectMeta{Namespace: "default", Name: "lab-mover"}
	moved := &appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{
		Selector: &metav1.LabelSelector{MatchLabels: labels}, Strategy: appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: answering()},
	}}
	moved.Spec.Template.Spec.NodeSelector = map[string]string{corev1.LabelHostname: s.node(from).Name}
	service := &corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{
		Selector: labels, Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080)}},
	}}
	s.Expect(workload.Create(s.t.Context(), moved)).To(Succeed())
	s.Expect(workload.Create(s.t.Context(), service)).To(Succeed())
	s.Eventually(func() (int, error) { return s.probesReaching(service.Spec.ClusterIP) }, soon, interval).
		Should(Equal(s.cluster.ControlPlanes + s.cluster.Workers))
	seen := s.newOutages()
	for _, m := range s.snapshot().Machines {
		seen.add(m, seesService, "http://"+service.Spec.ClusterIP+"/")
	}

	before := moved.DeepCopy()
	node := s.node(to).Name
	moved.Spec.Template.Spec.NodeSelector[corev1.LabelHostname] = node
	s.Expect(workload.Patch(s.t.Context(), moved, client.MergeFrom(before))).To(Succeed())

	s.Eventually(func(g Gomega) {
		pods := &corev1.PodList{}
		g.Expect(workload.List(s.t.Context(), pods, client.InNamespace(meta.Namespace), client.MatchingLabels(labels))).To(Succeed())
		g.Expect(pods.Items).To(HaveLen(1))
		g.Expect(pods.Items[0].Spec.NodeName).To(Equal(node))
		g.Expect(pods.Items[0].Status.PodIP).NotTo(BeEmpty())
	}, soon, interval).Should(Succeed())
	seen.end(what)
	s.Expect(workload.Delete(s.t.Context(), moved)).To(Succeed())
	s.Expect(workload.Delete(s.t.Context(), service)).To(Succeed())
}

// managersStopped stops everything of the management cluster that acts, while the cluster's own
// machines and pods change.
func (s *suite) managersStopped() {
	before, calls := s.machinesNow(), s.actions()
	workers := s.machines(watch.Worker)
	node := s.node(workers[0]).Name
	s.Expect(s.world.Management.Pause()).To(Succeed())
	s.t.Cleanup(func() { _ = s.world.Management.Resume() })

	s.Expect(s.booted(workers[0]).Reboot(s.t.Context())).To(Succeed())

	s.isBack(node, "a worker reboots without the management cluster")
	s.podMoves(workers[1], workers[0], "a pod moves without the management cluster")
	s.Expect(s.world.Management.Resume()).To(Succeed())
	s.expectKept(before)
	s.expectLeftAlone(calls)
}

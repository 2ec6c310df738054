// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/utils/ptr"
)

const zone = corev1.LabelTopologyZone

func resources(cpu, memory string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}
}

// free is a node with room for as many pods as one asks for.
func free(name, cpu, memory string, change ...func(*corev1.Node)) room {
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{zone: name}},
		Status:     corev1.NodeStatus{Allocatable: resources(cpu, memory)},
	}
	node.Status.Allocatable[corev1.ResourcePods] = resource.MustParse("110")
	for _, f := range change {
		f(node)
	}
	return newRoom(node)
}

func leaves(name, cpu, memory string, change ...func(*corev1.Pod)) mover {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: name,
			OwnerReferences: []metav1.OwnerReference{{Kind: "ReplicaSet", Name: "shop", Controller: ptr.To(true)}},
		},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: resources(cpu, memory)}}}},
	}
	for _, f := range change {
		f(pod)
	}
	return newMover(pod, nil)
}

func tainted(effect corev1.TaintEffect) func(*corev1.Node) {
	return func(node *corev1.Node) {
		node.Spec.Taints = []corev1.Taint{{Key: "dedicated", Value: "db", Effect: effect}}
	}
}

func tolerating(pod *corev1.Pod) {
	pod.Spec.Tolerations = []corev1.Toleration{{Key: "dedicated", Operator: corev1.TolerationOpExists}}
}

func inZone(name string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) { pod.Spec.NodeSelector = map[string]string{zone: name} }
}

// withVolumeIn has a volume that is reached in one zone only.
func withVolumeIn(t *testing.T, m mover, name string) mover {
	t.Helper()
	selector, err := nodeaffinity.NewNodeSelector(&corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
		MatchExpressions: []corev1.NodeSelectorRequirement{{Key: zone, Operator: corev1.NodeSelectorOpIn, Values: []string{name}}},
	}}})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	m.volumes = append(m.volumes, selector)
	return m
}

func TestOtherNodesCanTakePodsOrItIsToldWhyNot(t *testing.T) {
	for name, world := range map[string]struct {
		movers []mover
		rooms  []room
		want   string
	}{
		"one node for all":       {[]mover{leaves("a", "1", "2Gi"), leaves("b", "1", "2Gi")}, []room{free("x", "2", "4Gi")}, ""},
		"one node for each":      {[]mover{leaves("a", "1", "2Gi"), leaves("b", "1", "2Gi")}, []room{free("x", "1", "2Gi"), free("y", "1", "2Gi")}, ""},
		"the largest goes first": {[]mover{leaves("a", "1", "1Gi"), leaves("b", "1", "3Gi")}, []room{free("x", "1", "3Gi"), free("y", "1", "1Gi")}, ""},
		"no pod":                 {nil, []room{free("x", "1", "1Gi")}, ""},
		"no pod and no node":     {nil, nil, "no other node is Ready and schedulable"},
		"in sum but not in one": {
			[]mover{leaves("a", "2", "2Gi")}, []room{free("x", "1", "1Gi"), free("y", "1", "1Gi")},
			"no other node has room for pod shop/a, which asks for cpu 2 and memory 2Gi",
		},
		"not for all": {
			[]mover{leaves("a", "1", "2Gi"), leaves("b", "1", "2Gi")}, []room{free("x", "1500m", "4Gi")},
			"no other node has room for pod shop/b, which asks for cpu 1 and memory 2Gi",
		},
		"a node full of pods": {
			[]mover{leaves("a", "0", "0")}, []room{free("x", "1", "1Gi", func(n *corev1.Node) { n.Status.Allocatable[corev1.ResourcePods] = resource.MustParse("0") })},
			"no other node has room for pod shop/a, which asks for cpu 0 and memory 0",
		},
		"a taint": {
			[]mover{leaves("a", "1", "1Gi")}, []room{free("x", "1", "1Gi", tainted(corev1.TaintEffectNoSchedule))},
			"no other node suits pod shop/a by its tolerations, node affinity and volumes",
		},
		"a taint that ends pods": {
			[]mover{leaves("a", "1", "1Gi")}, []room{free("x", "1", "1Gi", tainted(corev1.TaintEffectNoExecute))},
			"no other node suits pod shop/a by its tolerations, node affinity and volumes",
		},
		"a taint that is no more than a wish": {
			[]mover{leaves("a", "1", "1Gi")}, []room{free("x", "1", "1Gi", tainted(corev1.TaintEffectPreferNoSchedule))}, "",
		},
		"a taint that is tolerated": {[]mover{leaves("a", "1", "1Gi", tolerating)}, []room{free("x", "1", "1Gi", tainted(corev1.TaintEffectNoSchedule))}, ""},
		"a node selector": {
			[]mover{leaves("a", "1", "1Gi", inZone("y"))}, []room{free("x", "1", "1Gi")},
			"no other node suits pod shop/a by its tolerations, node affinity and volumes",
		},
		"room only where the pod must not go": {
			[]mover{leaves("a", "1", "1Gi", inZone("y"))}, []room{free("x", "4", "4Gi"), free("y", "500m", "1Gi")},
			"no other node has room for pod shop/a, which asks for cpu 1 and memory 1Gi",
		},
		"a volume elsewhere": {
			[]mover{withVolumeIn(t, leaves("a", "1", "1Gi"), "y")}, []room{free("x", "1", "1Gi")},
			"no other node suits pod shop/a by its tolerations, node affinity and volumes",
		},
		"a volume that is reached": {[]mover{withVolumeIn(t, leaves("a", "1", "1Gi"), "x")}, []room{free("x", "1", "1Gi")}, ""},
		"a pod that nobody makes again": {
			[]mover{leaves("a", "1", "1Gi", func(p *corev1.Pod) { p.OwnerReferences = nil })}, []room{free("x", "1", "1Gi")},
			"pod shop/a has no controller that makes it again",
		},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(obstacle(world.movers, world.rooms)).To(Equal(world.want))
		})
	}
}

func TestANodeWithoutRoomIsNone(t *testing.T) {
	g := NewWithT(t)
	bare := newRoom(&corev1.Node{})
	bare.seat(requestsOf(leaves("there", "1", "1Gi").pod))
	g.Expect(obstacle([]mover{leaves("a", "1", "1Gi")}, []room{bare})).To(ContainSubstring("no other node has room"))
}

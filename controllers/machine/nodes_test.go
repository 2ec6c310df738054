// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// testLabel keeps the pods of a test to its own Nodes: the API server is everybody's.
const testLabel = "test"

// worker is a provisioned worker with its Node and another one, which has as much CPU left.
func (b *bench) worker(t *testing.T, othersCPU string, changes ...func(*clusterv1.Machine, *infrav1.OCIMeshMachine)) (*infrav1.OCIMeshMachine, *corev1.Node) {
	t.Helper()
	own, node := b.withNode(t, append([]func(*clusterv1.Machine, *infrav1.OCIMeshMachine){aMachine}, changes...)...)
	b.hasRoom(t, node, "2")
	other := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: b.Namespace + "-other"}}
	b.Create(t, other)
	t.Cleanup(func() { _ = b.Client.Delete(context.Background(), other) })
	b.nodeRuns(t, other, "v1.36.3", corev1.ConditionTrue)
	b.hasRoom(t, other, othersCPU)
	return own, node
}

// shop is a worker with a pod that its other Node can take.
func (b *bench) shop(t *testing.T) (*infrav1.OCIMeshMachine, *corev1.Node, *corev1.Pod) {
	t.Helper()
	own, node := b.worker(t, "4")
	return own, node, b.pod(t, node, "shop")
}

// hasRoom makes a Node one that pods go to; nobody else takes the taint of new Nodes away here.
func (b *bench) hasRoom(t *testing.T, node *corev1.Node, cpu string) {
	t.Helper()
	b.Reload(t, node)
	node.Labels = map[string]string{testLabel: b.Namespace, corev1.LabelHostname: node.Name}
	node.Spec.Taints = nil
	NewWithT(t).Expect(b.Client.Update(t.Context(), node)).To(Succeed())
	node.Status.Allocatable = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourcePods: resource.MustParse("110")}
	NewWithT(t).Expect(b.Client.Status().Update(t.Context(), node)).To(Succeed())
}

// pod runs on the Node. With no kubelet to end it, an evicted one is gone at once.
func (b *bench) pod(t *testing.T, node *corev1.Node, name string, changes ...func(*corev1.Pod)) *corev1.Pod {
	t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: b.Namespace, Name: name, Labels: map[string]string{"app": "shop"},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "shop", UID: "1", Controller: ptr.To(true)}},
		},
		Spec: corev1.PodSpec{
			NodeName: node.Name, NodeSelector: map[string]string{testLabel: b.Namespace}, TerminationGracePeriodSeconds: ptr.To[int64](0),
			Containers: []corev1.Container{{
				Name: "shop", Image: "registry.example.org/shop:1",
				Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("500m")}},
			}},
		},
	}
	for _, change := range changes {
		change(pod)
	}
	b.Create(t, pod)
	t.Cleanup(func() { _ = b.Client.Delete(context.Background(), pod, client.GracePeriodSeconds(0)) })
	pod.Status.Phase = corev1.PodRunning
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	NewWithT(t).Expect(b.Client.Status().Update(t.Context(), pod)).To(Succeed())
	return pod
}

// budget is a PodDisruptionBudget that allows no disruption.
func (b *bench) budget(t *testing.T) *policyv1.PodDisruptionBudget {
	t.Helper()
	budget := &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace, Name: "shop-stays"},
		Spec: policyv1.PodDisruptionBudgetSpec{
			MinAvailable: ptr.To(intstr.FromInt32(1)), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "shop"}},
		},
	}
	b.Create(t, budget)
	budget.Status = policyv1.PodDisruptionBudgetStatus{ObservedGeneration: budget.Generation, CurrentHealthy: 1, DesiredHealthy: 1, ExpectedPods: 1}
	NewWithT(t).Expect(b.Client.Status().Update(t.Context(), budget)).To(Succeed())
	return budget
}

func (b *bench) runs(t *testing.T, pod *corev1.Pod) bool {
	t.Helper()
	err := b.Client.Get(t.Context(), client.ObjectKeyFromObject(pod), &corev1.Pod{})
	NewWithT(t).Expect(client.IgnoreNotFound(err)).To(Succeed())
	return !apierrors.IsNotFound(err)
}

func (b *bench) isCordoned(t *testing.T, node *corev1.Node) bool {
	t.Helper()
	b.Reload(t, node)
	return node.Spec.Unschedulable
}

// aVolume is one that only the machine's own Node reaches.
func aVolume(t *testing.T, b *bench) {
	t.Helper()
	size := corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}
	volume := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: b.Namespace + "-data"},
		Spec: corev1.PersistentVolumeSpec{
			Capacity: size, AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, StorageClassName: "local",
			PersistentVolumeSource: corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: "/data"}},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchExpressions: []corev1.NodeSelectorRequirement{{
					Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{b.Namespace + "-machine"},
				}},
			}}}},
		},
	}
	b.Create(t, volume, &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace, Name: "data"},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: volume.Spec.AccessModes, StorageClassName: ptr.To("local"), VolumeName: volume.Name,
			Resources: corev1.VolumeResourceRequirements{Requests: size},
		},
	})
}

func aDaemonSet(t *testing.T, b *bench) {
	t.Helper()
	labels := map[string]string{"app": "agent"}
	b.Create(t, &appsv1.DaemonSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace, Name: "agent"},
		Spec: appsv1.DaemonSetSpec{Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: labels},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "agent", Image: "registry.example.org/agent:1"}}},
		}},
	})
}

func aRule(t *testing.T, b *bench) {
	t.Helper()
	b.Create(t, &clusterv1.MachineDrainRule{
		ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace, Name: "shop"},
		Spec: clusterv1.MachineDrainRuleSpec{
			Drain: clusterv1.MachineDrainRuleDrainConfig{Behavior: clusterv1.MachineDrainRuleDrainBehaviorSkip},
			Pods:  []clusterv1.MachineDrainRulePodSelector{{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "shop"}}}},
		},
	})
}

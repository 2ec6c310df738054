// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package nodesim

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	cloudv1 "sigs.k8s.io/cluster-api/test/infrastructure/inmemory/pkg/cloud/api/v1alpha1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	controlPlaneLabel = "node-role.kubernetes.io/control-plane"

	componentEtcd      = "etcd"
	componentAPIServer = "kube-apiserver"
)

// staticPods are the components kubeadm runs on a control plane.
var staticPods = []string{componentEtcd, componentAPIServer, "kube-controller-manager", "kube-scheduler"}

// initialObjects are a cluster's objects right after `kubeadm init`, as far as Cluster API reads
// it. kube-proxy is absent: the templates skip its phase.
func initialObjects(clusterConfiguration, caPEM, address string) []client.Object {
	system := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: metav1.NamespaceSystem, Name: name}
	}
	objects := make([]client.Object, 0, 12)
	for _, ns := range []string{metav1.NamespaceDefault, metav1.NamespaceSystem, metav1.NamespacePublic, corev1.NamespaceNodeLease} {
		objects = append(objects, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}})
	}
	return append(objects,
		&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "kubeadm:get-nodes"}},
		&rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "kubeadm:get-nodes"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "kubeadm:get-nodes"},
		},
		&corev1.ConfigMap{ObjectMeta: system("kubeadm-config"), Data: map[string]string{"ClusterConfiguration": clusterConfiguration}},
		&corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespacePublic, Name: "cluster-info"},
			Data:       map[string]string{"server": "https://" + address, "ca.crt": caPEM},
		},
		&corev1.ConfigMap{ObjectMeta: system("coredns"), Data: map[string]string{"Corefile": ".:53 {\n    errors\n    health\n    ready\n}\n"}},
		coreDNS(system("coredns")),
	)
}

func coreDNS(meta metav1.ObjectMeta) *appsv1.Deployment {
	labels := map[string]string{"k8s-app": "kube-dns"}
	return &appsv1.Deployment{
		ObjectMeta: meta,
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To[int32](2),
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{Containers: []corev1.Container{{
					Name: "coredns", Image: "registry.k8s.io/coredns/coredns:v1.12.4",
				}}},
			},
		},
	}
}

// nodeObject is the Node as the kubelet of this member registers it.
func nodeObject(m member) *corev1.Node {
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: m.name,
			Labels: map[string]string{
				corev1.LabelHostname:   m.name,
				corev1.LabelArchStable: m.architecture,
				corev1.LabelOSStable:   "linux",
			},
		},
		Spec: corev1.NodeSpec{ProviderID: m.providerID, Taints: m.taints},
		Status: corev1.NodeStatus{
			Addresses: []corev1.NodeAddress{
				{Type: corev1.NodeInternalIP, Address: m.address},
				{Type: corev1.NodeHostName, Address: m.name},
			},
			NodeInfo: corev1.NodeSystemInfo{
				KubeletVersion: m.version, Architecture: m.architecture, OperatingSystem: "linux", MachineID: m.instance,
			},
			Conditions: nodeConditions(corev1.ConditionTrue, corev1.ConditionFalse, "KubeletReady", "kubelet is posting ready status"),
		},
	}
	if m.controlPlane {
		node.Labels[controlPlaneLabel] = ""
	}
	return node
}

func nodeConditions(ready, pressure corev1.ConditionStatus, reason, message string) []corev1.NodeCondition {
	now := metav1.Now()
	conditions := []corev1.NodeCondition{{
		Type: corev1.NodeReady, Status: ready, Reason: reason, Message: message, LastHeartbeatTime: now, LastTransitionTime: now,
	}}
	for _, t := range []corev1.NodeConditionType{corev1.NodeMemoryPressure, corev1.NodeDiskPressure, corev1.NodePIDPressure} {
		conditions = append(conditions, corev1.NodeCondition{Type: t, Status: pressure, Reason: reason, LastHeartbeatTime: now, LastTransitionTime: now})
	}
	return conditions
}

// staticPod is the mirror pod of a control-plane component.
func staticPod(component string, m member) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:   metav1.NamespaceSystem,
			Name:        podName(component, m.name),
			Labels:      map[string]string{"component": component, "tier": "control-plane"},
			Annotations: map[string]string{corev1.MirrorPodAnnotationKey: m.instance},
		},
		Spec: corev1.PodSpec{
			NodeName:   m.name,
			Containers: []corev1.Container{{Name: component, Image: fmt.Sprintf("registry.k8s.io/%s:%s", component, m.version)}},
		},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning,
			PodIP: m.address,
			Conditions: []corev1.PodCondition{
				{Type: corev1.PodScheduled, Status: corev1.ConditionTrue},
				{Type: corev1.PodInitialized, Status: corev1.ConditionTrue},
				{Type: corev1.PodReady, Status: corev1.ConditionTrue},
			},
		},
	}
}

func podName(component, node string) string { return component + "-" + node }

// isMember tells whether the etcd of this pod is still in the member list.
func isMember(pod corev1.Pod) bool {
	_, removed := pod.Annotations[cloudv1.EtcdMemberRemoved]
	return pod.Labels["component"] == componentEtcd && !removed
}

// defaultTaints are kubeadm's taints for a node when its configuration names none.
func defaultTaints(controlPlane bool) []corev1.Taint {
	if !controlPlane {
		return nil
	}
	return []corev1.Taint{{Key: controlPlaneLabel, Effect: corev1.TaintEffectNoSchedule}}
}

// unreachableTaints are the node lifecycle controller's for a node without a heartbeat.
func unreachableTaints(taints []corev1.Taint) []corev1.Taint {
	now := metav1.Now()
	for _, effect := range []corev1.TaintEffect{corev1.TaintEffectNoSchedule, corev1.TaintEffectNoExecute} {
		taints = append(taints, corev1.Taint{Key: corev1.TaintNodeUnreachable, Effect: effect, TimeAdded: &now})
	}
	return taints
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package helpers

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// NewCluster is a Cluster with the OCIMeshCluster of the same name as its infrastructure.
func NewCluster(namespace, name string, change ...func(*clusterv1.Cluster)) *clusterv1.Cluster {
	cluster := &clusterv1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: clusterv1.ClusterSpec{
			InfrastructureRef: clusterv1.ContractVersionedObjectReference{
				APIGroup: infrav1.GroupVersion.Group, Kind: "OCIMeshCluster", Name: name,
			},
			ClusterNetwork: clusterv1.ClusterNetwork{
				Pods:     clusterv1.NetworkRanges{CIDRBlocks: []string{"10.244.0.0/16"}},
				Services: clusterv1.NetworkRanges{CIDRBlocks: []string{"10.96.0.0/12"}},
			},
		},
	}
	return with(cluster, change)
}

// NewOCIMeshCluster is the infrastructure of the Cluster, owned by it as Cluster API would have it,
// in the accounts, with a TailnetVIP. The Cluster must have been created.
func NewOCIMeshCluster(cluster *clusterv1.Cluster, tailnet string, accounts []string,
	change ...func(*infrav1.OCIMeshCluster),
) *infrav1.OCIMeshCluster {
	infra := &infrav1.OCIMeshCluster{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: cluster.Namespace, Name: cluster.Name,
			Labels:          map[string]string{clusterv1.ClusterNameLabel: cluster.Name},
			OwnerReferences: []metav1.OwnerReference{ownedBy("Cluster", cluster)},
		},
		Spec: infrav1.OCIMeshClusterSpec{
			EndpointType: infrav1.EndpointTailnetVIP,
			TailnetRef:   infrav1.TailnetReference{Name: tailnet},
		},
	}
	for _, account := range accounts {
		infra.Spec.Accounts = append(infra.Spec.Accounts, infrav1.ClusterAccount{Name: account})
	}
	return with(infra, change)
}

// NewMachine is a Machine of the Cluster. Its infrastructure is the OCIMeshMachine of the same
// name, its bootstrap data is in the Secret of the same name with the ending -bootstrap.
func NewMachine(cluster *clusterv1.Cluster, name string, change ...func(*clusterv1.Machine)) *clusterv1.Machine {
	machine := &clusterv1.Machine{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: cluster.Namespace, Name: name, Labels: map[string]string{clusterv1.ClusterNameLabel: cluster.Name},
		},
		Spec: clusterv1.MachineSpec{
			ClusterName: cluster.Name,
			Version:     "v1.36.3",
			Bootstrap:   clusterv1.Bootstrap{DataSecretName: ptr.To(name + "-bootstrap")},
			InfrastructureRef: clusterv1.ContractVersionedObjectReference{
				APIGroup: infrav1.GroupVersion.Group, Kind: "OCIMeshMachine", Name: name,
			},
		},
	}
	return with(machine, change)
}

// ControlPlane makes a Machine one of the control plane's.
func ControlPlane(machine *clusterv1.Machine) {
	machine.Labels[clusterv1.MachineControlPlaneLabel] = ""
}

// NewOCIMeshMachine is the infrastructure of the Machine, owned by it as Cluster API would have it:
// a small Arm machine from Oracle's Ubuntu image. The Machine must have been created.
func NewOCIMeshMachine(machine *clusterv1.Machine, change ...func(*infrav1.OCIMeshMachine)) *infrav1.OCIMeshMachine {
	infra := &infrav1.OCIMeshMachine{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: machine.Namespace, Name: machine.Name,
			Labels:          machine.DeepCopy().Labels,
			OwnerReferences: []metav1.OwnerReference{ownedBy("Machine", machine)},
		},
		Spec: infrav1.OCIMeshMachineSpec{
			Shapes: []infrav1.Shape{{Name: "VM.Standard.A1.Flex", OCPUs: 2, MemoryGB: 12}},
			Image: infrav1.Image{
				Platform: infrav1.PlatformImage{OperatingSystem: "Canonical Ubuntu", Version: "24.04"},
			},
		},
	}
	return with(infra, change)
}

// BootstrapData is a worker's, as short as it can be.
const BootstrapData = "#cloud-config\nwrite_files:\n- {path: /run/kubeadm/kubeadm-join-config.yaml, content: ''}\nruncmd:\n- kubeadm join\n"

// NewBootstrapSecret holds the bootstrap data of the Machine, as the kubeadm bootstrap provider
// writes it.
func NewBootstrapSecret(machine *clusterv1.Machine, data string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: machine.Namespace, Name: *machine.Spec.Bootstrap.DataSecretName,
			Labels: map[string]string{clusterv1.ClusterNameLabel: machine.Spec.ClusterName},
		},
		Type: clusterv1.ClusterSecretType,
		Data: map[string][]byte{"value": []byte(data), "format": []byte("cloud-config")},
	}
}

// ProvisionInfrastructure updates the Cluster as Cluster API's core does once the OCIMeshCluster is
// provisioned.
func (e *Environment) ProvisionInfrastructure(t *testing.T, cluster *clusterv1.Cluster) {
	t.Helper()
	cluster.Status.Initialization.InfrastructureProvisioned = ptr.To(true)
	if err := e.Client.Status().Update(t.Context(), cluster); err != nil {
		t.Fatalf("marking Cluster %s as provisioned: %s", cluster.Name, err)
	}
}

func ownedBy(kind string, owner client.Object) metav1.OwnerReference {
	return metav1.OwnerReference{
		APIVersion: clusterv1.GroupVersion.String(), Kind: kind, Name: owner.GetName(), UID: owner.GetUID(),
	}
}

func with[T any](object *T, changes []func(*T)) *T {
	for _, change := range changes {
		change(object)
	}
	return object
}

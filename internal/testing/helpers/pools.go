// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package helpers

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// NewOCIMeshMachinePool is a pool of small Arm machines, first seen with the identity.
func NewOCIMeshMachinePool(namespace, name, account, identity string) *expv1.OCIMeshMachinePool {
	return &expv1.OCIMeshMachinePool{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Annotations: map[string]string{
			infrav1.IdentityAnnotation: namespace + "/" + name + "/" + identity,
		}},
		Spec: expv1.OCIMeshMachinePoolSpec{
			Account: account, Shape: infrav1.Shape{Name: "VM.Standard.A1.Flex", OCPUs: 1, MemoryGB: 6},
			Image: infrav1.Image{Name: "node"},
		},
	}
}

// PoolMachines is an empty list of pools' machines, for a controller that knows of them what every
// kind with a device has.
func PoolMachines() []client.ObjectList {
	return []client.ObjectList{&expv1.OCIMeshMachinePoolMachineList{}}
}

// NewOCIMeshMachinePoolMachine is an instance of a pool.
func NewOCIMeshMachinePoolMachine(namespace, name string) *expv1.OCIMeshMachinePoolMachine {
	return &expv1.OCIMeshMachinePoolMachine{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       expv1.OCIMeshMachinePoolMachineSpec{ProviderID: "oci://ocid1.instance.oc1..x"},
	}
}

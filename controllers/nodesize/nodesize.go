// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package nodesize tells how large the node of a shape is: for templates, from which an autoscaler
// scales up from nothing, and for machine pools.
package nodesize

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
)

// Of is the capacity of a node: the wanted size of a flexible shape, the shape's own otherwise.
func Of(wanted infrav1.Shape, shape oci.Shape) corev1.ResourceList {
	ocpus, memoryGB := shape.OCPUs, shape.MemoryGB
	if wanted.OCPUs != 0 {
		ocpus, memoryGB = float64(wanted.OCPUs), float64(wanted.MemoryGB)
	}
	return corev1.ResourceList{
		corev1.ResourceCPU:    *resource.NewMilliQuantity(int64(ocpus*1000)*threadsPerOCPU(shape.Name), resource.DecimalSI),
		corev1.ResourceMemory: *resource.NewQuantity(int64(memoryGB*(1<<30)), resource.BinarySI),
	}
}

// threadsPerOCPU is how many CPUs Linux sees for an OCPU: one core of Ampere's A1, two threads or
// two cores of everything else. Source: OCI documentation, "Compute Shapes".
func threadsPerOCPU(shape string) int64 {
	if strings.Contains(shape, ".A1.") {
		return 1
	}
	return 2
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1 holds the API of Cluster API Provider OCI Mesh: types, their validation and
// their defaults as CRD markers, condition types and reasons. It has no behaviour beyond
// accessors.
//
// +kubebuilder:object:generate=true
// +groupName=infrastructure.cluster.x-k8s.io
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var (
	// GroupVersion is the group and version of every kind in this package.
	GroupVersion = schema.GroupVersion{Group: "infrastructure.cluster.x-k8s.io", Version: "v1alpha1"}

	schemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)

	// AddToScheme registers the kinds of this package.
	AddToScheme = schemeBuilder.AddToScheme
)

func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion,
		&OCIAccount{}, &OCIAccountList{},
		&Tailnet{}, &TailnetList{},
		&OCIMeshCluster{}, &OCIMeshClusterList{},
		&OCIMeshClusterTemplate{}, &OCIMeshClusterTemplateList{},
		&OCIMeshMachine{}, &OCIMeshMachineList{},
		&OCIMeshMachineTemplate{}, &OCIMeshMachineTemplateList{},
	)
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}

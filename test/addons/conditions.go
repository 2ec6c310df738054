// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package addons

import (
	"context"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Conditions of the two kinds, and the reasons that tests look for
// (api/v1alpha1/condition_consts.go).
const (
	Ready            = "Ready"
	SpecsUpToDate    = "HelmReleaseProxySpecsUpToDate"
	ReleasesReady    = "HelmReleaseProxiesReady"
	ClusterAvailable = "ClusterAvailable"
	ReleaseReady     = "HelmReleaseReady"

	DeletionFailed         = "HelmReleaseProxyDeletionFailed"
	InstallOrUpgradeFailed = "HelmInstallOrUpgradeFailed"
)

// Conditions are an object's, as its status has them.
func Conditions(object *unstructured.Unstructured) []metav1.Condition {
	var status struct {
		Conditions []metav1.Condition `json:"conditions"`
	}
	found, _, _ := unstructured.NestedMap(object.Object, "status")
	// What is no condition was not written here; it is none then.
	_ = runtime.DefaultUnstructuredConverter.FromUnstructured(found, &status)
	return status.Conditions
}

// mark sets a condition of an object to True, or to False with a reason and a message.
func mark(object *unstructured.Unstructured, kind, failure, message string) {
	condition := metav1.Condition{Type: kind, Status: metav1.ConditionTrue, Reason: kind, ObservedGeneration: object.GetGeneration()}
	if failure != "" {
		condition.Status, condition.Reason, condition.Message = metav1.ConditionFalse, failure, message
	}
	conditions := Conditions(object)
	meta.SetStatusCondition(&conditions, condition)
	setConditions(object, conditions)
}

// summarize makes Ready of conditions: False with the first that is not True.
func summarize(object *unstructured.Unstructured, kinds ...string) {
	for _, kind := range kinds {
		condition := meta.FindStatusCondition(Conditions(object), kind)
		if condition == nil {
			mark(object, Ready, "NotYetReported", kind+" is not yet reported")
			return
		}
		if condition.Status != metav1.ConditionTrue {
			mark(object, Ready, condition.Reason, kind+": "+condition.Message)
			return
		}
	}
	mark(object, Ready, "", "")
}

func setConditions(object *unstructured.Unstructured, conditions []metav1.Condition) {
	list := make([]any, 0, len(conditions))
	for i := range conditions {
		// Conditions are plain structs, which always convert.
		fields, _ := runtime.DefaultUnstructuredConverter.ToUnstructured(&conditions[i])
		list = append(list, fields)
	}
	_ = unstructured.SetNestedSlice(object.Object, list, "status", "conditions")
}

// save writes what a pass has changed of an object, metadata first.
func save(ctx context.Context, c client.Client, before, after *unstructured.Unstructured) error {
	_ = unstructured.SetNestedField(after.Object, after.GetGeneration(), "status", "observedGeneration")
	status := after.Object["status"]
	if err := c.Patch(ctx, after, client.MergeFrom(before)); err != nil {
		return client.IgnoreNotFound(err)
	}
	written := after.DeepCopy()
	written.Object["status"] = status
	return client.IgnoreNotFound(c.Status().Patch(ctx, written, client.MergeFrom(after)))
}

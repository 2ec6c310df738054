// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package remediation

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/annotations"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// pausedBy says how somebody wants the machine left alone; empty if nobody does. Whoever pauses the
// OCIMeshMachine looks at the very instance that a repair would restart. A MachineHealthCheck
// leaves a Machine that skips remediation out: it corrects nothing that it said of it, and deletes
// no request (sigs.k8s.io/cluster-api v1.14, machinehealthcheck_targets.go, shouldSkipRemediation).
// A request that goes is let go.
func (r *Reconciler) pausedBy(ctx context.Context, s *scope) (string, error) {
	const annotated = "%s has the " + clusterv1.PausedAnnotation + " annotation"
	switch {
	case s.cluster != nil && ptr.Deref(s.cluster.Spec.Paused, false):
		return "Cluster spec.paused is set to true", nil
	case annotations.HasPaused(s.own):
		return fmt.Sprintf(annotated, "OCIMeshRemediation"), nil
	case s.machine == nil:
		return "", nil
	case annotations.HasPaused(s.machine):
		return fmt.Sprintf(annotated, "Machine"), nil
	case annotations.HasSkipRemediation(s.machine) && s.own.DeletionTimestamp.IsZero():
		return "Machine has the " + clusterv1.MachineSkipRemediationAnnotation + " annotation: it is neither repaired nor replaced until you remove that", nil
	}
	infra := &infrav1.OCIMeshMachine{}
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: s.machine.Namespace, Name: s.machine.Spec.InfrastructureRef.Name}, infra)
	if err != nil {
		return "", client.IgnoreNotFound(err)
	}
	if annotations.HasPaused(infra) {
		return fmt.Sprintf(annotated, "OCIMeshMachine"), nil
	}
	return "", nil
}

// pause says that nothing is done, and why.
func (r *Reconciler) pause(ctx context.Context, own *infrav1.OCIMeshRemediation, by string) error {
	before := own.DeepCopy()
	conditions.Set(own, metav1.Condition{
		Type: clusterv1.PausedCondition, Status: metav1.ConditionTrue, Reason: clusterv1.PausedReason, Message: by, ObservedGeneration: own.Generation,
	})
	if equality.Semantic.DeepEqual(before.Status, own.Status) {
		return nil
	}
	return client.IgnoreNotFound(r.Client.Status().Patch(ctx, own, client.MergeFrom(before)))
}

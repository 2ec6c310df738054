// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package remediation

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/cluster-api/util/patch"
	ctrl "sigs.k8s.io/controller-runtime"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// handOver asks the Machine's owner for a replacement, as a MachineHealthCheck without a template
// does: a KubeadmControlPlane and a MachineSet replace Machines with HealthCheckSucceeded and
// OwnerRemediated False (sigs.k8s.io/cluster-api v1.14, util/collections/machine_filters.go,
// IsUnhealthyAndOwnerRemediated).
func (r *Reconciler) handOver(ctx context.Context, s *scope) error {
	message := fmt.Sprintf("The machine is handed over to its owner for replacement: %s", s.lost)
	err := r.patchMachine(ctx, s, func() {
		conditions.Set(s.machine, metav1.Condition{
			Type: clusterv1.MachineOwnerRemediatedCondition, Status: metav1.ConditionFalse,
			Reason: clusterv1.MachineOwnerRemediatedWaitingForRemediationReason, Message: "Waiting for remediation",
		})
		setExternallyRemediated(s.machine, infrav1.HandedOverReason, message)
	})
	if err != nil {
		return err
	}
	ctrl.LoggerFrom(ctx).Info("Handed the machine over to its owner", "Machine", klog.KObj(s.machine), "reason", s.lost)
	r.event(s, "RepairGivenUp", "HandOver", "%s", message)
	s.WaitFor(0, infrav1.RemediatedCondition, infrav1.HandedOverReason, "%s", message)
	return nil
}

// tell has the Machine say what is being done: the request is another object, and goes.
func (r *Reconciler) tell(ctx context.Context, s *scope, reason, message string) error {
	return r.patchMachine(ctx, s, func() { setExternallyRemediated(s.machine, reason, message) })
}

func setExternallyRemediated(machine *clusterv1.Machine, reason, message string) {
	conditions.Set(machine, metav1.Condition{
		Type: clusterv1.MachineExternallyRemediatedCondition, Status: metav1.ConditionFalse, Reason: reason, Message: message,
	})
}

// patchMachine writes the two conditions of the Machine that a remediation owns.
func (r *Reconciler) patchMachine(ctx context.Context, s *scope, change func()) error {
	helper, err := patch.NewHelper(s.machine, r.Client)
	if err != nil {
		return err
	}
	change()
	err = helper.Patch(ctx, s.machine, patch.WithOwnedConditions{Conditions: []string{
		clusterv1.MachineOwnerRemediatedCondition, clusterv1.MachineExternallyRemediatedCondition,
	}})
	if err != nil {
		return fmt.Errorf("writing the Machine's conditions: %w", err)
	}
	return nil
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package remediation

import (
	"context"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// findMachine finds what is to be repaired. The pass ends if that is nothing: the Machine is
// healthy again, or it goes anyway.
func (r *Reconciler) findMachine(ctx context.Context, s *scope) error {
	const remediated = infrav1.RemediatedCondition
	switch {
	case s.machine == nil:
		s.WaitFor(0, remediated, infrav1.MachineNotFoundReason,
			"The request has no Machine of its name as its owner: delete it, MachineHealthChecks make requests by themselves")
		return nil
	case !s.machine.DeletionTimestamp.IsZero():
		s.WaitFor(0, remediated, infrav1.HandedOverReason, "The Machine is being deleted")
		return nil
	case healthySince(s.machine, s.own.CreationTimestamp.Time):
		// The MachineHealthCheck deletes the request.
		s.healthy = true
		s.Stop()
		return nil
	case conditions.IsFalse(s.machine, clusterv1.MachineOwnerRemediatedCondition):
		// From here on it is the owner's, whatever becomes of the instance.
		s.WaitFor(0, remediated, infrav1.HandedOverReason, "%s", handedOver(s.machine))
		return nil
	}
	ref := s.machine.Spec.InfrastructureRef
	if ref.APIGroup != infrav1.GroupVersion.Group || ref.Kind != "OCIMeshMachine" {
		s.lost = fmt.Sprintf("there are no repairs for a machine of kind %s", ref.Kind)
		return nil
	}
	infra := &infrav1.OCIMeshMachine{}
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: s.machine.Namespace, Name: ref.Name}, infra)
	if apierrors.IsNotFound(err) || err == nil && !owns(s.machine, infra) {
		s.lost = fmt.Sprintf("the Machine has no OCIMeshMachine %s", ref.Name)
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the OCIMeshMachine: %w", err)
	}
	s.infra = infra
	return nil
}

// healthySince tells whether a MachineHealthCheck calls the Machine healthy since then. What it
// said after an earlier repair stays there while it does not reach the cluster, which is when
// people make requests by hand.
func healthySince(machine *clusterv1.Machine, then time.Time) bool {
	said := conditions.Get(machine, clusterv1.MachineHealthCheckSucceededCondition)
	return said != nil && said.Status == metav1.ConditionTrue && !said.LastTransitionTime.Time.Before(then)
}

// handedOver repeats why the owner was asked.
func handedOver(machine *clusterv1.Machine) string {
	told := conditions.Get(machine, clusterv1.MachineExternallyRemediatedCondition)
	if told == nil || told.Reason != infrav1.HandedOverReason {
		return "The Machine's owner replaces the machine"
	}
	return told.Message
}

// owns tells whether the Machine is an owner of the object.
func owns(machine *clusterv1.Machine, object client.Object) bool {
	return slices.ContainsFunc(object.GetOwnerReferences(), func(owner metav1.OwnerReference) bool { return owner.UID == machine.UID })
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/report"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/updates"
)

// ownedConditions are written by this controller.
var ownedConditions = report.Types(clusterv1.PausedCondition, infrav1.PlacedCondition, infrav1.InstanceReadyCondition, infrav1.TailnetReadyCondition,
	infrav1.LoadBalancerReadyCondition, infrav1.UpdatedCondition, infrav1.DeletingCondition)

// maxMessage is the length of a message with the node's words.
const maxMessage = 1024

const notPlaced = "The machine is not placed yet"

// updateStatus computes all conditions from what the phases found.
func updateStatus(s *scope) {
	all := []metav1.Condition{report.Deleting(s.own, s.Deletion), placed(s)}
	if updates.IsUpdated(s.own) {
		all = append(all, updated(s))
	} else {
		conditions.Delete(s.own, infrav1.UpdatedCondition)
	}
	all = append(all, instanceReady(s), tailnetReady(s))
	if s.isBackend() {
		all = append(all, loadBalancerReady(s))
	}
	report.SetCausesFirst(s.own, all...)
	// A paused machine has no pass. NotPaused is written together with the rest, rather than before
	// it.
	conditions.Set(s.own, metav1.Condition{
		Type: clusterv1.PausedCondition, Status: metav1.ConditionFalse, Reason: clusterv1.NotPausedReason,
	})
	observed(s.own.Status.Conditions, s.own.Generation)
}

// observed notes the generation of the conditions' spec.
func observed(conditions []metav1.Condition, generation int64) {
	for i := range conditions {
		conditions[i].ObservedGeneration = generation
	}
}

func placed(s *scope) metav1.Condition {
	if found, ok := s.Noted(infrav1.PlacedCondition); ok {
		return found
	}
	if s.own.Status.Placement.Account == "" {
		return report.NotOK(infrav1.PlacedCondition, infrav1.WaitingReason, notPlaced)
	}
	condition := report.OK(infrav1.PlacedCondition)
	condition.Message = s.own.Status.Placement.Reason
	return condition
}

func updated(s *scope) metav1.Condition {
	if found, ok := s.Noted(infrav1.UpdatedCondition); ok {
		return found
	}
	switch {
	case !s.own.DeletionTimestamp.IsZero():
		return report.NotOK(infrav1.UpdatedCondition, infrav1.DeletingReason, "The machine is being deleted")
	case !s.wasProvisioned(), s.instance == nil:
		return report.NotOK(infrav1.UpdatedCondition, infrav1.WaitingReason, "The instance is not ready for its change in place")
	case s.observed.Device == nil || !s.observed.Device.Online:
		return report.NotOK(infrav1.UpdatedCondition, infrav1.UpdatingReason, "Waiting for the machine to be on the tailnet")
	case s.own.Status.Update.Step.Grows():
		return report.NotOK(infrav1.UpdatedCondition, infrav1.UpdatingReason, "Waiting to ask the node for its volumes")
	case updates.OfVersions(s.own, s.machine) && !s.versionsUpdated:
		return report.NotOK(infrav1.UpdatedCondition, infrav1.UpdatingReason, "Waiting to ask the node for its versions")
	}
	return report.OK(infrav1.UpdatedCondition)
}

func instanceReady(s *scope) metav1.Condition {
	if found, ok := s.Noted(infrav1.InstanceReadyCondition); ok {
		return found
	}
	switch {
	case !s.own.DeletionTimestamp.IsZero():
		return report.NotOK(infrav1.InstanceReadyCondition, infrav1.DeletingReason, "The machine is being deleted")
	case s.own.Status.Instance.State == string(oci.StateRunning):
		condition := report.OK(infrav1.InstanceReadyCondition)
		condition.Message = stopOver(&s.own.Status.Stop)
		return condition
	}
	return report.NotOK(infrav1.InstanceReadyCondition, infrav1.WaitingReason, "The instance is not launched yet")
}

// tailnetReady has the node's own words if it is late.
func tailnetReady(s *scope) metav1.Condition {
	condition := s.Found(infrav1.TailnetReadyCondition, func() metav1.Condition {
		return tailnetnode.Condition(s.own, s.own.Status.Tailnet, s.observed)
	})
	if s.late != "" {
		condition.Message = report.Truncate(s.saidBy(condition.Message), maxMessage)
	}
	return condition
}

func loadBalancerReady(s *scope) metav1.Condition {
	if found, ok := s.Noted(infrav1.LoadBalancerReadyCondition); ok {
		return found
	}
	switch {
	case !s.own.DeletionTimestamp.IsZero():
		return report.NotOK(infrav1.LoadBalancerReadyCondition, infrav1.DeletingReason, "The machine is being deleted")
	case s.own.Status.Backend.Name != "":
		return report.OK(infrav1.LoadBalancerReadyCondition)
	}
	return report.NotOK(infrav1.LoadBalancerReadyCondition, infrav1.WaitingReason, "The instance has no address yet")
}

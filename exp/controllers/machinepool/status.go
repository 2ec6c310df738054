// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/report"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/userdata"
)

// ownedConditions are those of this controller, besides Paused: Cluster API's helper writes it.
var ownedConditions = report.Types(infrav1.TailnetReadyCondition, expv1.ConfigurationReadyCondition, expv1.PoolReadyCondition,
	expv1.InstancesReadyCondition, infrav1.AgentsCompleteCondition, infrav1.DeletingCondition)

// updateStatus computes all conditions from what the phases found.
func updateStatus(s *scope) {
	all := []metav1.Condition{
		report.Deleting(s.own, s.Deletion),
		s.Found(infrav1.TailnetReadyCondition, func() metav1.Condition {
			return s.since(infrav1.TailnetReadyCondition, s.joins != nil, "The tailnet has not been checked yet")
		}),
		s.Found(expv1.ConfigurationReadyCondition, func() metav1.Condition {
			return s.since(expv1.ConfigurationReadyCondition, s.own.Status.Configuration.ID != "" || s.idleBefore(), "There is no instance configuration yet")
		}),
		s.Found(expv1.PoolReadyCondition, func() metav1.Condition {
			if s.own.Status.Pool.ID != "" {
				return s.since(expv1.PoolReadyCondition, s.found != nil, "The instance pool has not been checked yet")
			}
			return s.since(expv1.PoolReadyCondition, s.found != nil, "There is no instance pool yet")
		}),
		s.Found(expv1.InstancesReadyCondition, func() metav1.Condition {
			if problem := s.joining(); problem != nil {
				return report.Of(expv1.InstancesReadyCondition, problem)
			}
			return s.since(expv1.InstancesReadyCondition, s.own.Status.Replicas != nil, "The instances have not been checked yet")
		}),
	}
	report.SetCausesFirst(s.own, all...)
	switch {
	case len(s.absent) > 0:
		report.SetApart(s.own, userdata.AgentsComplete(s.absent))
	case s.told:
		conditions.Delete(s.own, infrav1.AgentsCompleteCondition)
	}
	for i := range s.own.Status.Conditions {
		if s.own.Status.Conditions[i].Type != clusterv1.PausedCondition {
			s.own.Status.Conditions[i].ObservedGeneration = s.own.Generation
		}
	}
}

// since is True if there is what the condition is about.
func (s *scope) since(condition string, there bool, otherwise string) metav1.Condition {
	switch {
	case !s.own.DeletionTimestamp.IsZero():
		return report.NotOK(condition, infrav1.DeletingReason, "The machine pool is being deleted")
	case there:
		return report.OK(condition)
	}
	return report.NotOK(condition, infrav1.WaitingReason, otherwise)
}

func (s *scope) idleBefore() bool { return s.found != nil && s.found.ConfigurationID != "" }

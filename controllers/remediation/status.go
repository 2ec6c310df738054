// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package remediation

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/report"
)

// ownedConditions are written by this controller.
var ownedConditions = report.Types(clusterv1.PausedCondition, infrav1.RemediatedCondition)

// updateStatus computes all conditions from what the phases found.
func updateStatus(s *scope) {
	report.Set(s.own, remediated(s))
	// A paused request has no pass.
	conditions.Set(s.own, metav1.Condition{
		Type: clusterv1.PausedCondition, Status: metav1.ConditionFalse, Reason: clusterv1.NotPausedReason,
	})
}

func remediated(s *scope) metav1.Condition {
	return s.Found(infrav1.RemediatedCondition, func() metav1.Condition {
		if s.healthy {
			return report.OK(infrav1.RemediatedCondition)
		}
		return report.NotOK(infrav1.RemediatedCondition, infrav1.RepairingReason, "Checking the machine")
	})
}

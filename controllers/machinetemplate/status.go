// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinetemplate

import (
	"sigs.k8s.io/cluster-api/util/conditions"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/report"
)

// ownedConditions are written by this controller.
var ownedConditions = []string{infrav1.CapacityKnownCondition}

// updateStatus leaves the condition as it is if the API server did not answer.
func updateStatus(s *scope) {
	if found, ok := s.Noted(infrav1.CapacityKnownCondition); ok {
		conditions.Set(s.template, found)
	} else if len(s.template.Status.Capacity) > 0 {
		conditions.Set(s.template, report.OK(infrav1.CapacityKnownCondition))
	}
}

func isKnown(template *infrav1.OCIMeshMachineTemplate) bool {
	return conditions.IsTrue(template, infrav1.CapacityKnownCondition) && len(template.Status.Capacity) > 0
}

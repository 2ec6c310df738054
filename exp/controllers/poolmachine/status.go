// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package poolmachine

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/report"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
)

// ownedConditions are those of this controller, besides Paused: Cluster API's helper writes it.
var ownedConditions = report.Types(infrav1.InstanceReadyCondition, infrav1.TailnetReadyCondition, infrav1.DeletingCondition)

// updateStatus computes all conditions from what the phases found.
func updateStatus(s *scope) {
	report.Set(s.own,
		report.Deleting(s.own, s.Deletion),
		s.Found(infrav1.InstanceReadyCondition, s.instanceReady),
		s.Found(infrav1.TailnetReadyCondition, s.onTailnet),
	)
	for i := range s.own.Status.Conditions {
		if s.own.Status.Conditions[i].Type != clusterv1.PausedCondition {
			s.own.Status.Conditions[i].ObservedGeneration = s.own.Generation
		}
	}
}

// onTailnet knows of a device offline with its instance, besides what all kinds know.
func (s *scope) onTailnet() metav1.Condition {
	device, deleting := s.observed.Device, !s.own.DeletionTimestamp.IsZero()
	if !deleting && device != nil && !device.Online && s.instance != nil {
		return report.NotOK(infrav1.TailnetReadyCondition, infrav1.WaitingReason, "The device is offline, since the instance is "+string(s.instance.State))
	}
	return tailnetnode.Condition(s.own, s.own.Status.Tailnet, s.observed)
}

func (s *scope) instanceReady() metav1.Condition {
	switch {
	case !s.own.DeletionTimestamp.IsZero():
		return report.NotOK(infrav1.InstanceReadyCondition, infrav1.DeletingReason, "The machine is being deleted")
	case s.instance != nil && s.instance.State == oci.StateRunning:
		return report.OK(infrav1.InstanceReadyCondition)
	}
	return report.NotOK(infrav1.InstanceReadyCondition, infrav1.WaitingReason, "The instance has not been checked yet")
}

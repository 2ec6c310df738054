// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package poolmachine

import (
	"cmp"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/report"
)

// ownedConditions are the ones that this controller writes, besides Paused, which has its own
// helper.
var ownedConditions = report.Types(infrav1.InstanceReadyCondition, infrav1.TailnetReadyCondition, infrav1.DeletingCondition)

// updateStatus computes all conditions from what the phases found.
func updateStatus(s *scope) {
	report.Set(s.own,
		report.Deleting(s.own, s.Deletion),
		s.Found(infrav1.InstanceReadyCondition, func() metav1.Condition {
			return s.otherwise(infrav1.InstanceReadyCondition, s.instance != nil && s.instance.State == oci.StateRunning, "The instance was not looked at yet")
		}),
		s.Found(infrav1.TailnetReadyCondition, func() metav1.Condition {
			return s.tailnetReady()
		}),
	)
	for i := range s.own.Status.Conditions {
		if s.own.Status.Conditions[i].Type != clusterv1.PausedCondition {
			s.own.Status.Conditions[i].ObservedGeneration = s.own.Generation
		}
	}
}

// tailnetReady is TailnetReady if nothing was found out about the device that says otherwise.
func (s *scope) tailnetReady() metav1.Condition {
	const tailnet = infrav1.TailnetReadyCondition
	device, deleting := s.observed.Device, !s.own.DeletionTimestamp.IsZero()
	switch {
	case !deleting && device != nil && !device.Online && s.instance != nil:
		return report.NotOK(tailnet, infrav1.WaitingReason, "The device is offline, since the instance is "+string(s.instance.State))
	case !deleting && device == nil && s.own.Status.Tailnet.DeviceID != "":
		// The device was there; why it was not looked at is in an earlier condition.
		return report.Unknown(tailnet, infrav1.WaitingReason, "The device was not looked at, since the instance is not ready")
	}
	condition := s.otherwise(tailnet, device != nil && device.Online, "The machine does not run yet")
	condition.Message = cmp.Or(condition.Message, s.observed.Warning)
	return condition
}

func (s *scope) otherwise(condition string, ok bool, message string) metav1.Condition {
	switch {
	case !s.own.DeletionTimestamp.IsZero():
		return report.NotOK(condition, infrav1.DeletingReason, "The machine is being deleted")
	case ok:
		return report.OK(condition)
	}
	return report.NotOK(condition, infrav1.WaitingReason, message)
}

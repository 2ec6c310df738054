// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetnode

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/report"
)

// Condition is TailnetReady of a node of which no phase has found anything else out.
func Condition(object metav1.Object, status infrav1.TailnetDeviceStatus, observed Observed) metav1.Condition {
	switch {
	case !object.GetDeletionTimestamp().IsZero():
		return report.NotOK(infrav1.TailnetReadyCondition, infrav1.DeletingReason, "The machine is being deleted")
	case observed.Device != nil && observed.Device.Online:
		condition := report.OK(infrav1.TailnetReadyCondition)
		condition.Message = observed.Warning
		return condition
	case status.DeviceID != "":
		// The device was there; why it was not looked at is in an earlier condition.
		return report.Unknown(infrav1.TailnetReadyCondition, infrav1.WaitingReason, "The device is not checked while the instance is not ready")
	}
	return report.NotOK(infrav1.TailnetReadyCondition, infrav1.WaitingReason, "The machine does not run yet")
}

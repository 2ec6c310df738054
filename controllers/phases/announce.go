// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package phases

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// Announce emits an event if Ready has changed its status or reason, unless the reason's pace says
// that this is no news; before and after are the object's Ready, and may be nil. A nil recorder is
// silent.
func (i Intervals) Announce(recorder events.EventRecorder, object runtime.Object, before, after *metav1.Condition) {
	if recorder == nil || after == nil || (before != nil && before.Status == after.Status && before.Reason == after.Reason) {
		return
	}
	wasReady := before != nil && before.Status == metav1.ConditionTrue
	if after.Status == metav1.ConditionFalse && i.isExpected(after.Reason, wasReady) {
		return
	}
	kind, note := corev1.EventTypeNormal, after.Message
	if after.Status == metav1.ConditionFalse && after.Reason != infrav1.UpdatingReason {
		kind = corev1.EventTypeWarning
	}
	if note == "" {
		note = "The object is ready"
	}
	recorder.Eventf(object, nil, kind, after.Reason, "Reconcile", "%s", note)
}

// isExpected tells whether the reason is one of something that takes the time that it takes.
func (i Intervals) isExpected(reason string, wasReady bool) bool {
	switch i.paceOf(reason) {
	case UnderWay, Awaited:
		return !wasReady
	case Leaving:
		return true
	case AtRest, Outside, Passing:
	}
	return false
}

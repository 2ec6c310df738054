// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package report turns what a reconcile found out into conditions, once, at its end. It decides
// nothing: the time of the next pass comes from package phases.
package report

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// maxMessage keeps messages readable in kubectl describe; the API server's own limit is 32768.
const maxMessage = 1024

// OK is a condition that is as it should be.
func OK(conditionType string) metav1.Condition {
	return metav1.Condition{Type: conditionType, Status: metav1.ConditionTrue, Reason: infrav1.ReadyReason}
}

// NotOK is a condition that is not as it should be, for a reason that a user can act on.
func NotOK(conditionType, reason, message string) metav1.Condition {
	return metav1.Condition{
		Type: conditionType, Status: metav1.ConditionFalse, Reason: reason, Message: Truncate(message, maxMessage),
	}
}

// Unknown is a condition that could not be looked at.
func Unknown(conditionType, reason, message string) metav1.Condition {
	condition := NotOK(conditionType, reason, message)
	condition.Status = metav1.ConditionUnknown
	return condition
}

// Of is OK without a problem, NotOK with one.
func Of(conditionType string, problem *access.Problem) metav1.Condition {
	if problem == nil {
		return OK(conditionType)
	}
	return NotOK(conditionType, problem.Reason, problem.Message)
}

// WithoutPlace is why no account has a place for the machine; empty if it has one, or waits for an
// earlier step.
func WithoutPlace(machine conditions.Getter) string {
	placed := conditions.Get(machine, infrav1.PlacedCondition)
	if placed == nil || placed.Status != metav1.ConditionFalse || strings.HasPrefix(placed.Reason, infrav1.WaitingReason) {
		// All that wait for an earlier step begin with this word.
		return ""
	}
	return placed.Reason
}

// Deleting tells how far the deletion of the object is: what it waits for, if it is being deleted.
func Deleting(object metav1.Object, waitsFor *access.Problem) metav1.Condition {
	condition := metav1.Condition{
		Type: infrav1.DeletingCondition, Status: metav1.ConditionFalse, Reason: infrav1.NotDeletingReason,
	}
	if object.GetDeletionTimestamp().IsZero() {
		return condition
	}
	condition.Status, condition.Reason, condition.Message = metav1.ConditionTrue, infrav1.DeletingReason, "Deletion is under way"
	if waitsFor != nil {
		condition.Reason, condition.Message = waitsFor.Reason, Truncate(waitsFor.Message, maxMessage)
	}
	return condition
}

// Set sets the conditions, and with them Ready: that of the first condition that is False and
// should be True, else of the first that is not as it should be. Paused is not touched.
func Set(object conditions.Setter, all ...metav1.Condition) {
	SetApart(object, all...)
	ready := summary(all)
	ready.Message = steady(object, ready)
	conditions.Set(object, ready)
}

// SetApart sets conditions that do not count for Ready.
func SetApart(object conditions.Setter, all ...metav1.Condition) {
	for _, condition := range all {
		condition.Message = steady(object, condition)
		conditions.Set(object, condition)
	}
}

// steady is the message of a condition: the one that it has, if OCI has only said the same again.
// The identifier of the request differs each time, and writing it would bring the next pass at
// once, and with it the next request.
func steady(object conditions.Getter, condition metav1.Condition) string {
	known := conditions.Get(object, condition.Type)
	if known != nil && known.Status == condition.Status && known.Reason == condition.Reason &&
		cloud.SameButRequestIDs(known.Message, condition.Message) {
		return known.Message
	}
	return condition.Message
}

// SetCausesFirst is Set with Ready from a cause: conditions that only wait for another come after
// it.
func SetCausesFirst(object conditions.Setter, all ...metav1.Condition) {
	waits := func(c metav1.Condition) int {
		if c.Reason == infrav1.WaitingReason {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(all, func(a, b metav1.Condition) int { return cmp.Compare(waits(a), waits(b)) })
	Set(object, all...)
}

func summary(all []metav1.Condition) metav1.Condition {
	ready := OK(infrav1.ReadyCondition)
	for _, condition := range all {
		switch {
		case asItShouldBe(condition):
		case condition.Status != metav1.ConditionUnknown:
			return NotOK(infrav1.ReadyCondition, condition.Reason, condition.Message)
		case ready.Status == metav1.ConditionTrue:
			ready = Unknown(infrav1.ReadyCondition, condition.Reason, condition.Message)
		}
	}
	return ready
}

// Types of the conditions, and Ready: the ones that a controller owns.
func Types(all ...string) []string { return append([]string{infrav1.ReadyCondition}, all...) }

func asItShouldBe(condition metav1.Condition) bool {
	switch condition.Type {
	case clusterv1.DeletingCondition, clusterv1.PausedCondition:
		return condition.Status == metav1.ConditionFalse
	default:
		return condition.Status == metav1.ConditionTrue
	}
}

// Truncate shortens a message to at most limit bytes, at the end of a letter, and says so by an
// ellipsis.
func Truncate(message string, limit int) string {
	if len(message) <= limit {
		return message
	}
	const ellipsis = "…"
	return strings.ToValidUTF8(message[:limit-len(ellipsis)], "") + ellipsis
}

// Jitter spreads an interval by up to a tenth, so that objects created together do not come back
// together forever.
func Jitter(interval time.Duration) time.Duration {
	if interval <= 0 {
		return interval
	}
	return interval + time.Duration(rand.Int64N(int64(interval)/10+1))
}

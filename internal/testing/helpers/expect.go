// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package helpers

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// negative are the types of conditions that should be False.
var negative = map[string]bool{clusterv1.DeletingCondition: true, clusterv1.PausedCondition: true}

// ConditionsOf renders all conditions in the object's order, each as "Type Status Reason".
func ConditionsOf(object conditions.Getter) []string {
	var out []string
	for _, condition := range object.GetConditions() {
		out = append(out, fmt.Sprintf("%s %s %s", condition.Type, condition.Status, condition.Reason))
	}
	return out
}

// ExpectConditions expects exactly these conditions, each as "Type Status Reason", in any order. A
// condition that is not as it should be must have a message, since a user has to act on it.
func ExpectConditions(t *testing.T, object conditions.Getter, want ...string) {
	t.Helper()
	g := NewWithT(t)
	g.Expect(ConditionsOf(object)).To(ConsistOf(want), "messages: %v", messages(object))
	for _, condition := range object.GetConditions() {
		if (condition.Status == metav1.ConditionTrue) == negative[condition.Type] {
			g.Expect(condition.Message).NotTo(BeEmpty(), "condition %s", condition.Type)
		}
	}
}

// MessageOf returns the message of a condition; empty if there is none.
func MessageOf(object conditions.Getter, conditionType string) string {
	if condition := conditions.Get(object, conditionType); condition != nil {
		return condition.Message
	}
	return ""
}

// Reload reads the object again, and fails the test if it cannot.
func (e *Environment) Reload(t *testing.T, object client.Object) {
	t.Helper()
	if err := e.Client.Get(t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
		t.Fatalf("reading %T %s: %s", object, object.GetName(), err)
	}
}

// Reconciled has the object reconciled until its finalizer is on and it has been looked at, and
// reads it.
func (e *Environment) Reconciled(t *testing.T, r reconcile.Reconciler, object client.Object) reconcile.Result {
	t.Helper()
	var result reconcile.Result
	for range 2 {
		var err error
		result, err = r.Reconcile(t.Context(), reconcile.Request{NamespacedName: client.ObjectKeyFromObject(object)})
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
	}
	e.Reload(t, object)
	return result
}

// ExpectGone expects that the object does not exist.
func (e *Environment) ExpectGone(t *testing.T, object client.Object) {
	t.Helper()
	err := e.Client.Get(t.Context(), client.ObjectKeyFromObject(object), object)
	NewWithT(t).Expect(apierrors.IsNotFound(err)).To(BeTrue(), "%T %s is still there, or: %v", object, object.GetName(), err)
}

// Update reads the object again, changes it and writes its spec and metadata.
func Update[T client.Object](t *testing.T, e *Environment, object T, change func(T)) {
	t.Helper()
	e.Reload(t, object)
	change(object)
	if err := e.Client.Update(t.Context(), object); err != nil {
		t.Fatalf("updating %T %s: %s", object, object.GetName(), err)
	}
}

// SetReady writes the object's status with this Ready condition, as another controller would.
func (e *Environment) SetReady(t *testing.T, object Conditioned, status metav1.ConditionStatus, reason, message string) {
	t.Helper()
	conditions.Set(object, metav1.Condition{Type: clusterv1.ReadyCondition, Status: status, Reason: reason, Message: message})
	if err := e.Client.Status().Update(t.Context(), object); err != nil {
		t.Fatalf("writing the status of %T %s: %s", object, object.GetName(), err)
	}
}

// Conditioned is an object with conditions.
type Conditioned interface {
	client.Object
	conditions.Setter
}

func messages(object conditions.Getter) []string {
	var out []string
	for _, condition := range object.GetConditions() {
		out = append(out, condition.Type+": "+condition.Message)
	}
	return out
}

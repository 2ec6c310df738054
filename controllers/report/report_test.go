// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/cluster-api/util/conditions"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

func TestReadyIsTheFirstConditionThatIsNotAsItShouldBe(t *testing.T) {
	deleted := &metav1.ObjectMeta{DeletionTimestamp: &metav1.Time{Time: time.Unix(1, 0)}}
	for name, world := range map[string]struct {
		conditions []metav1.Condition
		status     metav1.ConditionStatus
		reason     string
	}{
		"all are": {
			[]metav1.Condition{OK("A"), Deleting(&metav1.ObjectMeta{}, nil)}, metav1.ConditionTrue, "Ready",
		},
		"the second is not": {
			[]metav1.Condition{OK("A"), NotOK("B", "Broken", "fix it"), NotOK("C", "Other", "")}, metav1.ConditionFalse, "Broken",
		},
		"one is not known, since another one is not": {
			[]metav1.Condition{Unknown("A", "Waiting", "for B"), NotOK("B", "Broken", "")}, metav1.ConditionFalse, "Broken",
		},
		"one is not known": {
			[]metav1.Condition{OK("A"), Unknown("B", "Waiting", "")}, metav1.ConditionUnknown, "Waiting",
		},
		"the object is being deleted": {
			[]metav1.Condition{Deleting(deleted, nil), NotOK("B", "Broken", "")}, metav1.ConditionFalse, "Deleting",
		},
		"its deletion is held up": {
			[]metav1.Condition{Deleting(deleted, access.NewProblem("InUse", "by x")), OK("B")}, metav1.ConditionFalse, "InUse",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			object := &infrav1.OCIAccount{}

			Set(object, world.conditions...)

			ready := conditions.Get(object, infrav1.ReadyCondition)
			g.Expect(ready.Status).To(Equal(world.status))
			g.Expect(ready.Reason).To(Equal(world.reason))
		})
	}
}

func TestARepeatedMessageIsNotWrittenForTheIdentifierOfItsRequest(t *testing.T) {
	g := NewWithT(t)
	object := &infrav1.OCIAccount{}
	said := func(digit, words string) metav1.Condition {
		part := strings.Repeat(digit, 32)
		return NotOK("A", "Broken", words+" (request ID "+part+"/"+part+"/"+part+"): fix it")
	}
	Set(object, said("A", "404 gone"))
	first := object.DeepCopy()
	Set(object, said("B", "404 gone"))
	g.Expect(object).To(Equal(first))
	g.Expect(conditions.GetMessage(object, infrav1.ReadyCondition)).To(ContainSubstring("AAAA"), "the first of them is told")

	Set(object, said("C", "500 broken"))
	g.Expect(conditions.GetMessage(object, "A")).To(ContainSubstring("CCCC"))
	g.Expect(conditions.GetMessage(object, infrav1.ReadyCondition)).To(ContainSubstring("500 broken"))
}

func TestMessagesAreCutAtALetter(t *testing.T) {
	g := NewWithT(t)

	cut := Truncate(strings.Repeat("ü", 20), 10)

	g.Expect(len(cut)).To(BeNumerically("<=", 10))
	g.Expect(utf8.ValidString(cut)).To(BeTrue())
	g.Expect(Truncate("short", 10)).To(Equal("short"))
}

func TestJitterAddsAtMostATenth(t *testing.T) {
	g := NewWithT(t)
	for range 100 {
		g.Expect(Jitter(time.Minute)).To(And(BeNumerically(">=", time.Minute), BeNumerically("<=", 66*time.Second)))
	}
	g.Expect(Jitter(0)).To(BeZero())
}

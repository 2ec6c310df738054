// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package phases_test

import (
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
)

func TestWhatIsUnderWayIsAnnouncedOnlyIfItWasReadyBefore(t *testing.T) {
	ready := func(status metav1.ConditionStatus, reason string) *metav1.Condition {
		return &metav1.Condition{Type: infrav1.ReadyCondition, Status: status, Reason: reason, Message: "so it is"}
	}
	yes, joining := ready(metav1.ConditionTrue, infrav1.ReadyReason), ready(metav1.ConditionFalse, infrav1.JoiningReason)
	timeout := ready(metav1.ConditionFalse, infrav1.JoinTimeoutReason)
	for name, tc := range map[string]struct {
		before, after *metav1.Condition
		event         string
	}{
		"a machine begins to join":           {ready(metav1.ConditionFalse, infrav1.WaitingReason), joining, ""},
		"the first condition that it has":    {nil, joining, ""},
		"it waits for another object":        {nil, ready(metav1.ConditionFalse, infrav1.WaitingForBootstrapDataReason), ""},
		"a reason that only this kind has":   {nil, ready(metav1.ConditionFalse, "Filling"), ""},
		"a reason that nobody knows":         {nil, ready(metav1.ConditionFalse, "Odd"), "Warning Odd so it is"},
		"another cluster minds it":           {nil, ready(metav1.ConditionFalse, infrav1.ClaimingReason), "Warning Claiming so it is"},
		"it takes too long":                  {joining, timeout, "Warning JoinTimeout so it is"},
		"nothing has changed":                {timeout, timeout, ""},
		"all is well":                        {joining, yes, "Normal Ready so it is"},
		"a machine that was Ready is away":   {yes, joining, "Warning Joining so it is"},
		"a deletion takes its course":        {yes, ready(metav1.ConditionFalse, infrav1.WaitingForTerminationReason), ""},
		"a control plane is taken out":       {yes, ready(metav1.ConditionFalse, infrav1.LeavingLoadBalancerReason), ""},
		"it becomes a backend":               {joining, ready(metav1.ConditionFalse, infrav1.BackendRegisteringReason), ""},
		"a deletion is held up":              {yes, ready(metav1.ConditionFalse, infrav1.WaitingForAccountReason), "Warning WaitingForAccount so it is"},
		"what was unknown is only under way": {ready(metav1.ConditionUnknown, infrav1.UnavailableReason), joining, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			recorder := events.NewFakeRecorder(1)

			phases.Intervals{Paces: map[string]phases.Pace{"Filling": phases.UnderWay}}.Announce(recorder, &infrav1.OCIMeshMachine{}, tc.before, tc.after)

			if tc.event == "" {
				g.Expect(recorder.Events).NotTo(Receive())
				return
			}
			g.Expect(recorder.Events).To(Receive(Equal(tc.event)))
		})
	}
}

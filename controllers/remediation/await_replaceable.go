// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package remediation

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/cluster-api/util/conditions"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// awaitReplaceable keeps a machine that would be given away for one that cannot join. One whose
// instance is gone has nothing left to keep.
func (r *Reconciler) awaitReplaceable(_ context.Context, s *scope) error {
	if s.state.IsEnding() {
		return nil
	}
	if s.noTailnet != nil {
		s.WaitFor(s.Intervals.WithDefaults().Poll, infrav1.RemediatedCondition, s.noTailnet.Reason,
			"The machine is not handed over for replacement, since no other one could join: %s. Its fault: %s", s.noTailnet.Message, s.lost)
		return nil
	}
	if s.tailnet == nil {
		return nil
	}
	ready := conditions.Get(s.tailnet, infrav1.ReadyCondition)
	switch {
	case ready == nil || ready.Status == metav1.ConditionUnknown:
	case ready.Status == metav1.ConditionFalse:
		s.WaitFor(s.Intervals.WithDefaults().Poll, infrav1.RemediatedCondition, infrav1.TailnetNotReadyReason,
			"The machine is not handed over for replacement, since no other one could join: Tailnet %s is not ready: %s. Its fault: %s",
			s.tailnet.Name, access.NotReady(s.tailnet), s.lost)
	case s.recovers(ready.LastTransitionTime):
		s.WaitFor(s.Intervals.WithDefaults().Poll, infrav1.RemediatedCondition, infrav1.TailnetNotReadyReason,
			"Tailnet %s is ready since %s: the machine has %s to become healthy. Its fault: %s",
			s.tailnet.Name, ready.LastTransitionTime.UTC().Format(time.RFC3339), comeback, s.lost)
	}
	return nil
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package remediation

import (
	"context"
	"fmt"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/identity"
)

// verbs are the actions in OCI's words.
var verbs = map[infrav1.RemediationAction]oci.PowerAction{
	infrav1.RemediationStart: oci.ActionStart, infrav1.RemediationSoftReset: oci.ActionSoftReset, infrav1.RemediationReset: oci.ActionReset,
}

// takeStep sends the recorded try. A lost answer has it sent again under the same token, which OCI
// runs once; a refusal is repeated until the try's time-out. A conflict is one, too: the instance
// is at something else, and the next pass goes by its state then. A token that OCI has used says
// that the try was made.
func (r *Reconciler) takeStep(ctx context.Context, s *scope) error {
	if s.lost != "" {
		return nil
	}
	attempt := s.last()
	if suits(attempt.Action, s.state) {
		token := cloud.RetryToken("remediation", identity.OfMachine(s.infra).Digest(), identity.Of(s.own),
			strconv.Itoa(len(s.own.Status.Attempts)), attempt.DecidedAt.UTC().Format(time.RFC3339))
		_, err := s.client.InstanceAction(ctx, s.proof, verbs[attempt.Action], token)
		if err != nil && !cloud.IsRetryTokenUsed(err) {
			problem := access.AsProblem(err)
			problem.Message = fmt.Sprintf("%s of the instance: %s", attempt.Action, problem.Message)
			return problem
		}
		s.cache.Hurry()
		ctrl.LoggerFrom(ctx).Info("Asked OCI to repair the instance", "instance", s.proof.ID(), "action", attempt.Action, "Machine", klog.KObj(s.machine))
		r.event(s, "RepairTried", "Repair", "Asked OCI for a %s of the instance, which was %s", attempt.Action, s.state)
	}
	// In another state the instance is on its way already: somebody else acts, or the answer of an
	// earlier call was lost.
	attempt.SentAt = metav1.NewTime(s.now.Truncate(time.Second))
	end := attempt.DecidedAt.Add(timeout(s.own.Spec.Steps, attempt.Action))
	message := s.waitsFor(end)
	s.WaitFor(end.Sub(s.now)+time.Second, infrav1.RemediatedCondition, infrav1.RepairingReason, "%s", message)
	return r.tell(ctx, s, infrav1.RepairingReason, message)
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package remediation

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

func TestAStoppedInstanceIsStarted(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t)
	b.stop(t)

	b.untilSent(t, infrav1.RemediationStart)
	b.untilState(t, b.infra.Status.Instance.ID, oci.StateRunning)
	told := conditions.Get(b.machine, clusterv1.MachineExternallyRemediatedCondition)
	g.Expect(told.Reason).To(Equal(infrav1.RepairingReason))
	g.Expect(told.Message).To(And(ContainSubstring("Start, try 1 of 1"), Equal(helpers.MessageOf(b.own, infrav1.RemediatedCondition))))

	// Until its time-out nothing else is done, however often it is looked at.
	for range 5 {
		g.Expect(b.pass(t).RequeueAfter).To(BeNumerically(">", 0))
	}
	g.Expect(b.actions()).To(Equal(1))
}

// restarts count how often instances have gone down.
type restarts struct{ number atomic.Int32 }

func (r *restarts) Boot(context.Context, sim.Machine)      {}
func (r *restarts) Terminate(context.Context, sim.Machine) {}
func (r *restarts) Stop(context.Context, sim.Machine)      { r.number.Add(1) }

// The answer is lost, and the next pass is after the restart: it finds the instance RUNNING, and
// repeats the call.
func TestATryOfALostAnswerIsMadeOnce(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	restarts, delays := &restarts{}, helpers.FastDelays()
	// Another restart would not be over when the pass is.
	delays.Stop = time.Second
	b := newBenchIn(t, sim.Options{Booter: restarts, Delays: delays})
	id := b.infra.Status.Instance.ID
	b.OCI.AddFault(sim.Fault{Operation: "InstanceAction", Reset: true, AfterCommit: true})
	g.Eventually(func() int {
		// The pass in which the answer is lost fails.
		_, _ = b.r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(b.own)})
		return b.actions()
	}, patience, tick).Should(Equal(1))
	g.Eventually(restarts.number.Load, patience, tick).Should(BeEquivalentTo(1))
	b.untilState(t, id, oci.StateRunning)

	b.untilSent(t, infrav1.RemediationSoftReset)

	g.Expect(b.OCI.InstanceState(id)).To(Equal(string(oci.StateRunning)))
	g.Expect(b.actions()).To(Equal(2), "the call is repeated under its retry token")
	g.Expect(b.own.Status.Attempts).To(HaveLen(1))
	g.Expect(restarts.number.Load()).To(BeEquivalentTo(1))
}

func TestAnActionThatOCIRefusesIsToldAndTriedUntilItsTimeOut(t *testing.T) {
	t.Parallel()
	for name, world := range map[string]struct {
		refusal sim.Fault
		reason  string
	}{
		// The policy was fixed.
		"the policy does not allow it": {sim.Fault{Status: 404, Code: "NotAuthorizedOrNotFound", Message: "no"}, infrav1.NotAuthorizedOrNotFoundReason},
		// A volume was attached, for one.
		"the instance is at something else": {sim.Fault{Status: 409, Code: "Conflict", Message: "busy"}, infrav1.ConflictReason},
		"its state does not allow it":       {sim.Fault{Status: 409, Code: "IncorrectState", Message: "not now"}, infrav1.ConflictReason},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			restarts := &restarts{}
			b := newBenchIn(t, sim.Options{Booter: restarts})
			world.refusal.Operation, world.refusal.Times = "InstanceAction", -1
			b.OCI.AddFault(world.refusal)

			b.until(t, "Remediated False "+world.reason)
			b.pass(t)
			g.Expect(helpers.MessageOf(b.own, infrav1.RemediatedCondition)).To(HavePrefix("SoftReset of the instance: "))
			g.Expect(b.own.Status.Attempts).To(HaveLen(1))
			g.Expect(b.own.Status.Attempts[0].SentAt.IsZero()).To(BeTrue())
			g.Expect(restarts.number.Load()).To(BeZero())

			b.OCI.ClearFaults()
			b.until(t, "Remediated False Repairing")
			g.Expect(b.own.Status.Attempts).To(HaveLen(1))
			g.Expect(b.own.Status.Attempts[0].SentAt.IsZero()).To(BeFalse())
			g.Eventually(restarts.number.Load, patience, tick).Should(BeEquivalentTo(1))
		})
	}
}

func TestATryWhoseTokenOCIHasUsedWasMade(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t)
	b.OCI.AddFault(sim.Fault{Operation: "InstanceAction", Status: 409, Code: "InvalidatedRetryToken", Message: "used before"})

	b.untilSent(t, infrav1.RemediationSoftReset)

	b.pass(t)
	g.Expect(b.actions()).To(Equal(1))
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package remediation

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

func TestTheNextStepFollowsFromTheStateAndFromWhatWasTried(t *testing.T) {
	const start, soft, reset = infrav1.RemediationStart, infrav1.RemediationSoftReset, infrav1.RemediationReset
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	steps := []infrav1.RemediationStep{
		{Action: start, Tries: 2, TimeoutSeconds: 60}, {Action: soft, Tries: 1, TimeoutSeconds: 120}, {Action: reset, Tries: 1, TimeoutSeconds: 60},
	}
	sent := func(action infrav1.RemediationAction, ago time.Duration) infrav1.RemediationAttempt {
		at := metav1.NewTime(now.Add(-ago))
		return infrav1.RemediationAttempt{Action: action, DecidedAt: at, SentAt: at}
	}
	unsent := infrav1.RemediationAttempt{Action: soft, DecidedAt: metav1.NewTime(now.Add(-time.Second))}
	stale := infrav1.RemediationAttempt{Action: soft, DecidedAt: metav1.NewTime(now.Add(-time.Hour))}
	for name, world := range map[string]struct {
		attempts []infrav1.RemediationAttempt
		state    oci.LifecycleState
		age      time.Duration
		want     choice
	}{
		"a stopped instance is started":                        {nil, oci.StateStopped, 0, choice{action: start}},
		"a running one is not started":                         {nil, oci.StateRunning, 0, choice{action: soft}},
		"a decided try is sent":                                {[]infrav1.RemediationAttempt{unsent}, oci.StateRunning, 0, choice{send: true, until: now.Add(119 * time.Second)}},
		"a try that could not be sent until its end is over":   {[]infrav1.RemediationAttempt{stale}, oci.StateRunning, 0, choice{action: reset}},
		"a try has its time":                                   {[]infrav1.RemediationAttempt{sent(soft, time.Minute)}, oci.StateRunning, 0, choice{until: now.Add(time.Minute)}},
		"after its time comes the next step":                   {[]infrav1.RemediationAttempt{sent(soft, 3*time.Minute)}, oci.StateRunning, 0, choice{action: reset}},
		"a start that did not help is tried again":             {[]infrav1.RemediationAttempt{sent(start, 2*time.Minute)}, oci.StateStopped, 0, choice{action: start}},
		"a start that left it unhealthy is followed by resets": {[]infrav1.RemediationAttempt{sent(start, 2*time.Minute)}, oci.StateRunning, 0, choice{action: soft}},
		"an instance that is stopped by a reset is started":    {[]infrav1.RemediationAttempt{sent(soft, time.Hour)}, oci.StateStopped, 0, choice{action: start}},
		"all starts were tried": {
			[]infrav1.RemediationAttempt{sent(start, time.Hour), sent(start, 30*time.Minute)}, oci.StateStopped, 0,
			choice{lost: "no step is left for an instance that is STOPPED"},
		},
		"all resets were tried": {
			[]infrav1.RemediationAttempt{sent(soft, time.Hour), sent(reset, 30*time.Minute)}, oci.StateRunning, 0,
			choice{lost: "no step is left for an instance that is RUNNING"},
		},
		"a state in between is waited for": {nil, oci.StateStopping, time.Minute, choice{until: now.Add(time.Minute)}},
		"also after a try": {
			[]infrav1.RemediationAttempt{sent(soft, 3*time.Minute)}, oci.StateStopping, time.Hour, choice{until: now.Add(time.Minute)},
		},
		"but not for ever": {nil, oci.StateStopping, time.Hour, choice{lost: "the instance has been STOPPING for too long"}},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(choose(steps, world.attempts, now.Add(-world.age), world.state, now)).To(Equal(world.want))
		})
	}
}

func TestAMachineThatIsToStayStoppedIsNeitherStartedNorReplaced(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, func(infra *infrav1.OCIMeshMachine) { infra.Spec.OnStop = infrav1.StopLeave })
	b.stop(t)

	b.until(t, "Remediated False StopLeft")
	b.ahead += 24 * time.Hour
	b.pass(t)
	g.Expect(b.own.Status.Attempts).To(BeEmpty())
	g.Expect(b.actions()).To(BeZero())
	g.Expect(b.ownerIsAsked()).To(BeFalse())

	// The policy changed, and the instance is started.
	b.Reload(t, b.infra)
	b.infra.Spec.OnStop = infrav1.StopStart
	g.Expect(b.Client.Update(t.Context(), b.infra)).To(Succeed())
	b.untilSent(t, infrav1.RemediationStart)
	b.untilState(t, b.infra.Status.Instance.ID, oci.StateRunning)
}

// OCI would refuse each try until its time-out.
func TestAPreemptibleMachineIsHandedOverAtOnceButForOneThatIsToStayStopped(t *testing.T) {
	t.Parallel()
	preemptible := func(infra *infrav1.OCIMeshMachine) { infra.Spec.Preemptible = ptr.To(true) }
	staysStopped := func(infra *infrav1.OCIMeshMachine) { infra.Spec.OnStop = infrav1.StopLeave }
	for name, world := range map[string]struct {
		policy  func(*infrav1.OCIMeshMachine)
		stopped bool
		want    string
	}{
		"that runs":                          {func(*infrav1.OCIMeshMachine) {}, false, infrav1.HandedOverReason},
		"that has stopped":                   {func(*infrav1.OCIMeshMachine) {}, true, infrav1.HandedOverReason},
		"that has stopped and is to stay so": {staysStopped, true, infrav1.StopLeftReason},
		"that runs and would be to stay so":  {staysStopped, false, infrav1.HandedOverReason},
	} {
		t.Run("one "+name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, preemptible, world.policy)
			if world.stopped {
				b.stop(t)
			}

			b.until(t, "Remediated False "+world.want)

			g.Expect(b.ownerIsAsked()).To(Equal(world.want == infrav1.HandedOverReason))
			g.Expect(b.own.Status.Attempts).To(BeEmpty())
			g.Expect(b.actions()).To(BeZero())
			if b.ownerIsAsked() {
				g.Expect(helpers.MessageOf(b.own, infrav1.RemediatedCondition)).To(HaveSuffix(": OCI neither starts nor resets preemptible instances"))
			}
		})
	}
}

func TestAMachineThatNeverBecameANodeIsStartedButNotReset(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t)
	b.machine.Status.NodeRef = clusterv1.MachineNodeReference{}
	g.Expect(b.Client.Status().Update(t.Context(), b.machine)).To(Succeed())
	b.stop(t)
	b.until(t, "Remediated False Repairing")
	g.Eventually(func() int { b.pass(t); return b.actions() }, patience, tick).Should(Equal(1))
	b.untilState(t, b.infra.Status.Instance.ID, oci.StateRunning)

	b.ahead += time.Hour
	b.until(t, "Remediated False HandedOver")
	g.Expect(b.actions()).To(Equal(1))
	g.Expect(b.ownerIsAsked()).To(BeTrue())
}

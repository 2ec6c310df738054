// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package remediation

import (
	"testing"

	. "github.com/onsi/gomega"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"

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

func TestATryOfALostAnswerIsMadeOnce(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t)
	b.OCI.AddFault(sim.Fault{Operation: "InstanceAction", Reset: true, AfterCommit: true})

	b.untilSent(t, infrav1.RemediationSoftReset)

	b.untilState(t, b.infra.Status.Instance.ID, oci.StateRunning)
	restarts := 0
	for _, call := range b.OCI.Calls() {
		if call.Operation == "InstanceAction" && call.Status == 200 {
			restarts++
		}
	}
	// The second answer is that of the first call, or none was needed.
	g.Expect(restarts).To(BeNumerically("<=", 2))
	g.Expect(b.own.Status.Attempts).To(HaveLen(1))
}

func TestAnActionThatOCIRefusesIsToldAndTriedUntilItsTimeOut(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t)
	b.OCI.AddFault(sim.Fault{Operation: "InstanceAction", Status: 404, Code: "NotAuthorizedOrNotFound", Message: "no", Times: -1})

	b.until(t, "Remediated False NotAuthorizedOrNotFound")
	g.Expect(helpers.MessageOf(b.own, infrav1.RemediatedCondition)).To(HavePrefix("SoftReset of the instance: "))
	g.Expect(b.own.Status.Attempts).To(HaveLen(1))

	// The policy was fixed.
	b.OCI.ClearFaults()
	b.until(t, "Remediated False Repairing")
	g.Expect(b.own.Status.Attempts).To(HaveLen(1))
	g.Expect(b.own.Status.Attempts[0].SentAt.IsZero()).To(BeFalse())
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package remediation

import (
	"testing"

	. "github.com/onsi/gomega"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/collections"
	"sigs.k8s.io/cluster-api/util/conditions"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// ownerIsAsked tells whether Cluster API's owners replace the Machine.
func (b *bench) ownerIsAsked() bool { return collections.IsUnhealthyAndOwnerRemediated(b.machine) }

func TestAMachineIsHandedOverOnceAllStepsWereTried(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t)

	b.untilSent(t, infrav1.RemediationSoftReset)
	b.timeOut(t)
	b.untilSent(t, infrav1.RemediationReset)
	g.Expect(b.ownerIsAsked()).To(BeFalse())
	b.timeOut(t)
	b.until(t, "Remediated False HandedOver")

	g.Expect(b.ownerIsAsked()).To(BeTrue())
	g.Expect(b.actions()).To(Equal(2))
	message := helpers.MessageOf(b.own, infrav1.RemediatedCondition)
	g.Expect(message).To(ContainSubstring("no step is left for an instance that is RUNNING"))

	// What the owner says of it is left alone, and nothing else is tried.
	owned := conditions.Get(b.machine, clusterv1.MachineOwnerRemediatedCondition)
	owned.Reason = "Deferred"
	conditions.Set(b.machine, *owned)
	g.Expect(b.Client.Status().Update(t.Context(), b.machine)).To(Succeed())
	b.stop(t)
	b.pass(t)
	g.Expect(conditions.GetReason(b.machine, clusterv1.MachineOwnerRemediatedCondition)).To(Equal("Deferred"))
	g.Expect(helpers.MessageOf(b.own, infrav1.RemediatedCondition)).To(Equal(message))
	g.Expect(b.actions()).To(Equal(2))
}

func TestAnInstanceThatIsGoneIsReplacedAtOnce(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t)
	g.Expect(b.OCI.TerminateInstance(b.infra.Status.Instance.ID)).To(Succeed())

	b.until(t, "Remediated False HandedOver")

	g.Expect(b.ownerIsAsked()).To(BeTrue())
	g.Expect(b.actions()).To(BeZero())
}

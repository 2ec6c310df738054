// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package remediation

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/identity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// withoutANode has the machine never have joined its cluster.
func (b *bench) withoutANode(t *testing.T) {
	t.Helper()
	b.machine.Status.NodeRef = clusterv1.MachineNodeReference{}
	NewWithT(t).Expect(b.Client.Status().Update(t.Context(), b.machine)).To(Succeed())
}

// withoutAnInstance has the machine wait for its launch.
func (b *bench) withoutAnInstance(t *testing.T) {
	t.Helper()
	b.withoutANode(t)
	b.infra.Status.Instance = infrav1.InstanceStatus{}
	NewWithT(t).Expect(b.Client.Status().Update(t.Context(), b.infra)).To(Succeed())
}

// What is given away may not come back for weeks, and the machine that takes its place cannot join.
func TestNoMachineIsGivenAwayWhileNoneCanJoin(t *testing.T) {
	t.Parallel()
	for name, world := range map[string]struct {
		spoil  func(*testing.T, *bench)
		reason string
		says   string
	}{
		"one that hangs, and all steps were tried": {
			func(t *testing.T, b *bench) {
				t.Helper()
				b.untilSent(t, infrav1.RemediationSoftReset)
				b.timeOut(t)
				b.untilSent(t, infrav1.RemediationReset)
				b.timeOut(t)
			}, infrav1.AuthenticationFailedReason, "no step is left for an instance that is RUNNING",
		},
		"one that never became a Node": {
			func(t *testing.T, b *bench) { t.Helper(); b.withoutANode(t) }, infrav1.TagNotPermittedReason, "no Node of the machine has ever appeared",
		},
		"one that waits for its launch": {
			func(t *testing.T, b *bench) { t.Helper(); b.withoutAnInstance(t) }, infrav1.AuthenticationFailedReason, "the machine has no instance",
		},
		"one that waits for its launch, as the server is away": {
			func(t *testing.T, b *bench) { t.Helper(); b.withoutAnInstance(t) }, infrav1.UnavailableReason, "the machine has no instance",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t)
			b.onTailnet(t)
			world.spoil(t, b)
			b.tailnetSays(t, metav1.ConditionFalse, world.reason)

			b.until(t, "Remediated False TailnetNotReady")
			b.ahead += 24 * time.Hour
			b.pass(t)
			g.Expect(helpers.MessageOf(b.own, infrav1.RemediatedCondition)).To(And(ContainSubstring("since no other one could join"),
				ContainSubstring("As the server says"), ContainSubstring(world.says)))
			g.Expect(b.ownerIsAsked()).To(BeFalse())

			b.tailnetSays(t, metav1.ConditionTrue, infrav1.ReadyReason)
			b.ahead += comeback - time.Minute
			b.pass(t)
			g.Expect(helpers.MessageOf(b.own, infrav1.RemediatedCondition)).To(ContainSubstring("to become healthy"))
			g.Expect(b.ownerIsAsked()).To(BeFalse())

			b.ahead += 2 * time.Minute
			b.until(t, "Remediated False HandedOver")
			g.Expect(b.ownerIsAsked()).To(BeTrue())
		})
	}
}

func TestNoMachineIsGivenAwayWhileNoneMayUseTheTailnet(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t)
	b.onTailnet(t)
	b.withoutANode(t)
	b.Reload(t, b.Tailnet)
	b.Tailnet.Spec.AllowedNamespaces = infrav1.AllowedNamespaces{List: []string{"others"}}
	g.Expect(b.Client.Update(t.Context(), b.Tailnet)).To(Succeed())

	b.until(t, "Remediated False NamespaceNotAllowed")
	g.Expect(helpers.MessageOf(b.own, infrav1.RemediatedCondition)).To(ContainSubstring("since no other one could join"))
	g.Expect(b.ownerIsAsked()).To(BeFalse())
}

func TestAMachineWhoseInstanceIsGoneHasNothingLeftToKeep(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.onTailnet(t)
	b.tailnetSays(t, metav1.ConditionFalse, infrav1.AuthenticationFailedReason)
	NewWithT(t).Expect(b.OCI.TerminateInstance(b.infra.Status.Instance.ID)).To(Succeed())
	b.untilState(t, b.infra.Status.Instance.ID, oci.StateTerminated)

	b.until(t, "Remediated False HandedOver")
}

// The health check complained of a machine that waited for the tailnet, and that boots by now.
func TestAMachineThatIsLaunchedAfterTheRequestHasTheTimeOfAFirstBoot(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t)
	b.onTailnet(t)
	b.withoutAnInstance(t)
	b.tailnetSays(t, metav1.ConditionFalse, infrav1.AuthenticationFailedReason)
	b.until(t, "Remediated False TailnetNotReady")

	b.tailnetSays(t, metav1.ConditionTrue, infrav1.ReadyReason)
	// The time of a creation has whole seconds.
	g.Eventually(time.Now, patience, tick).Should(BeTemporally(">=", b.own.CreationTimestamp.Add(time.Second)))
	b.infra.Status.Instance.ID = b.launch(t, identity.OfMachine(b.infra).Tags())
	g.Expect(b.Client.Status().Update(t.Context(), b.infra)).To(Succeed())
	b.ahead += startup - 2*time.Minute
	b.pass(t)
	g.Expect(helpers.MessageOf(b.own, infrav1.RemediatedCondition)).To(ContainSubstring("after this request: its Node has until "))
	g.Expect(b.ownerIsAsked()).To(BeFalse())

	b.ahead += 4 * time.Minute
	b.until(t, "Remediated False HandedOver")
}

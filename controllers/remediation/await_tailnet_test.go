// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package remediation

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// onTailnet gives the bench's cluster its infrastructure, and with it the tailnet.
func (b *bench) onTailnet(t *testing.T) {
	t.Helper()
	cluster := &clusterv1.Cluster{}
	NewWithT(t).Expect(b.Client.Get(t.Context(), client.ObjectKey{Namespace: b.Namespace, Name: b.machine.Spec.ClusterName}, cluster)).To(Succeed())
	b.Create(t, helpers.NewOCIMeshCluster(cluster, b.Tailnet.Name, b.AccountNames()))
}

// serverIsAway has the Tailnet say what its own controller says while the server does not answer.
func (b *bench) serverIsAway(t *testing.T) {
	t.Helper()
	b.tailnetSays(t, metav1.ConditionFalse, infrav1.UnavailableReason)
	b.Tailnet.Status.UnavailableSince, b.Tailnet.Status.AvailableSince = metav1.Now(), metav1.Time{}
	NewWithT(t).Expect(b.Client.Status().Update(t.Context(), b.Tailnet)).To(Succeed())
}

// serverIsBack is for a server that answers as of now, and what it says of the credentials.
func (b *bench) serverIsBack(t *testing.T, status metav1.ConditionStatus, reason string) {
	t.Helper()
	b.tailnetSays(t, status, reason)
	b.Tailnet.Status.UnavailableSince, b.Tailnet.Status.AvailableSince = metav1.Time{}, metav1.NewTime(time.Now().Add(b.ahead))
	NewWithT(t).Expect(b.Client.Status().Update(t.Context(), b.Tailnet)).To(Succeed())
}

// tailnetSays sets the conditions, as of now.
func (b *bench) tailnetSays(t *testing.T, status metav1.ConditionStatus, reason string) {
	t.Helper()
	b.Reload(t, b.Tailnet)
	for _, condition := range []string{infrav1.CredentialsValidCondition, infrav1.ReadyCondition} {
		conditions.Delete(b.Tailnet, condition)
		conditions.Set(b.Tailnet, metav1.Condition{
			Type: condition, Status: status, Reason: reason, Message: "As the server says", LastTransitionTime: metav1.NewTime(time.Now().Add(b.ahead)),
		})
	}
	NewWithT(t).Expect(b.Client.Status().Update(t.Context(), b.Tailnet)).To(Succeed())
}

func TestNothingIsRepairedOrReplacedWhileTheCoordinationServerIsAway(t *testing.T) {
	t.Parallel()
	for name, world := range map[string]func(*testing.T, *bench){
		"a Node that is not ready": func(*testing.T, *bench) {},
		"a Tailnet whose status is of before the times were recorded": func(t *testing.T, b *bench) {
			t.Helper()
			b.Tailnet.Status.UnavailableSince = metav1.Time{}
			NewWithT(t).Expect(b.Client.Status().Update(t.Context(), b.Tailnet)).To(Succeed())
		},
		"a machine that never became a Node": func(t *testing.T, b *bench) { t.Helper(); b.withoutANode(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t)
			b.onTailnet(t)
			b.serverIsAway(t)
			world(t, b)

			b.until(t, "Remediated False Unavailable")
			b.ahead += 24 * time.Hour
			b.pass(t)
			g.Expect(helpers.ConditionsOf(b.own)).To(ContainElement("Remediated False Unavailable"))
			g.Expect(b.own.Status.Attempts).To(BeEmpty())

			// Nodes need a while once it is back.
			b.serverIsBack(t, metav1.ConditionTrue, infrav1.ReadyReason)
			b.ahead += comeback - time.Minute
			b.pass(t)
			g.Expect(helpers.MessageOf(b.own, infrav1.RemediatedCondition)).To(ContainSubstring("is back since"))
			g.Expect(b.actions()).To(BeZero())
			g.Expect(b.ownerIsAsked()).To(BeFalse())

			b.ahead += 2 * time.Minute
			g.Eventually(func() bool { b.pass(t); return b.actions() > 0 || b.ownerIsAsked() }, patience, tick).Should(BeTrue())
		})
	}
}

func TestWhatTheCoordinationServerHasNoPartInIsRepairedWithoutIt(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t)
	b.onTailnet(t)
	b.serverIsAway(t)
	b.stop(t)

	b.untilSent(t, infrav1.RemediationStart)
	b.untilState(t, b.infra.Status.Instance.ID, oci.StateRunning)

	g.Expect(b.OCI.TerminateInstance(b.infra.Status.Instance.ID)).To(Succeed())
	b.untilState(t, b.infra.Status.Instance.ID, oci.StateTerminated)
	b.until(t, "Remediated False HandedOver")
}

func TestAServerThatRefusesTheCredentialsOnceItIsBackChangesNothingOfTheTimeForMachines(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t)
	b.onTailnet(t)
	b.serverIsAway(t)
	b.until(t, "Remediated False Unavailable")
	b.ahead += time.Hour
	b.serverIsBack(t, metav1.ConditionFalse, infrav1.AuthenticationFailedReason)

	b.ahead += comeback - time.Minute
	b.pass(t)
	g.Expect(helpers.MessageOf(b.own, infrav1.RemediatedCondition)).To(ContainSubstring("is back since"))
	g.Expect(b.actions()).To(BeZero())

	b.ahead += 2 * time.Minute
	b.untilSent(t, infrav1.RemediationSoftReset)
}

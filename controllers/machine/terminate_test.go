// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

func TestADeletionThatWaitsForItsTurnDoesNotBlameTheAccount(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	limits := oci.Unlimited()
	limits.Deletes = oci.Budget{PerSecond: 1.0 / 60, Burst: 1}
	b := newBench(t, helpers.WorldOptions{Limits: &limits})
	first, second := b.machine(t, "first"), b.machine(t, "second")
	b.untilProvisioned(t, first)
	b.untilProvisioned(t, second)
	b.delete(t, first)

	g.Expect(b.Client.Delete(t.Context(), second)).To(Succeed())
	result := b.pass(t, second)
	b.Reload(t, second)
	g.Expect(result.RequeueAfter).To(BeNumerically(">", time.Second))
	g.Expect(b.calls("TerminateInstance")).To(Equal(1))
	helpers.ExpectConditions(t, second, "Ready False Deleting", "Placed True Ready", "InstanceReady False Deleting",
		"TailnetReady False Deleting", "Deleting True Deleting", "Paused False NotPaused")

	b.sleep(2 * time.Minute)
	b.delete(t, second)
	b.expectNothingLeft(t)
}

func TestAMachineThatWasNeverLaunchedIsDeletedAtOnce(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own := b.machine(t, "machine")
	b.untilPlaced(t, own)
	g.Expect(b.Client.Delete(t.Context(), own)).To(Succeed())
	b.pass(t, own)
	b.ExpectGone(t, own)
	b.expectNothingLeft(t)
}

func TestAnAccountThatRefusesEverythingProvesNothing(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]sim.Fault{
		"404 to everything": {Status: 404, Code: "NotAuthorizedOrNotFound", Times: -1},
		"401 to everything": {Status: 401, Code: "NotAuthenticated", Times: -1},
		"no answer":         {Reset: true, Times: -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{})
			own := b.machine(t, "machine")
			b.untilProvisioned(t, own)
			b.OCI.AddFault(fault)
			g.Expect(b.Client.Delete(t.Context(), own)).To(Succeed())

			b.untilCondition(t, own, "Deleting True WaitingForAccount")
			for range 5 {
				b.pass(t, own)
			}
			b.Reload(t, own)
			g.Expect(own.Finalizers).To(ContainElement(infrav1.OCIMeshMachineFinalizer))
			g.Expect(b.instances(t)).To(HaveLen(1))
			g.Expect(b.Control.Devices()).To(HaveLen(1), "the device goes after the instance")

			b.OCI.ClearFaults()
			b.delete(t, own)
			b.expectNothingLeft(t)
		})
	}
}

func TestALaunchWhoseAnswerWasLostIsRepeatedWhenTheMachineIsDeleted(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{Sim: sim.Options{Delays: laggingLists()}})
	b.OCI.AddFault(sim.Fault{Operation: "LaunchInstance", AfterCommit: true, Reset: true})
	own := b.machine(t, "machine")
	b.until(t, own, func(g Gomega) { g.Expect(b.calls("LaunchInstance")).To(Equal(1)) })
	b.r.Options.Intervals.Retry, b.r.Options.Intervals.Progress = time.Second, time.Second

	b.delete(t, own)
	g.Expect(b.calls("LaunchInstance")).To(Equal(2), "under the same retry token")
	b.expectNothingLeft(t)
}

func TestALaunchThatMayBeUnderWayIsRepeatedHoweverLongAgoTheDeletionWas(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own := b.machine(t, "worker")
	b.untilPlaced(t, own)
	own.DeletionTimestamp = &metav1.Time{Time: b.now().Add(-time.Hour)}
	s := b.scopeOf(t, own)
	s.key.Exists = true

	_, err := remover{launcher: b.r.launcher()}.instancesToEnd(t.Context(), s)
	g.Expect(err).To(MatchError(ContainSubstring("to be polled")))
	g.Expect(b.poll(t.Context())).To(Succeed())
	_, err = remover{launcher: b.r.launcher()}.instancesToEnd(t.Context(), s)
	g.Expect(err).To(MatchError(ContainSubstring("is ended next")), "the launch is repeated, and what it made is known")
	g.Expect(s.own.Status.Instance.ID).NotTo(BeEmpty())
	g.Expect(b.instances(t)).To(HaveLen(1))
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

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
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

func TestAnInstanceThatSomebodyStoppedIsStartedAgainAndTheConditionTellsOfIt(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own := b.machine(t, "idle")
	b.untilProvisioned(t, own)
	launches := b.calls("LaunchInstance")
	g.Expect(helpers.MessageOf(own, infrav1.InstanceReadyCondition)).To(BeEmpty())

	g.Expect(b.OCI.StopInstance(own.Status.Instance.ID)).To(Succeed())
	b.until(t, own, func(g Gomega) { g.Expect(own.Status.Stop.Starts).To(BeEquivalentTo(1)) })
	g.Expect(helpers.ConditionsOf(own)).To(ContainElement("InstanceReady False InstanceStopped"))
	g.Expect(helpers.MessageOf(own, infrav1.InstanceReadyCondition)).To(And(
		ContainSubstring("seen STOPPED at "+stamp(own.Status.Stop.SeenAt.Time)), ContainSubstring("this provider did not ask for it")))

	b.until(t, own, func(g Gomega) {
		g.Expect(helpers.ConditionsOf(own)).To(ContainElement("Ready True Ready"))
		g.Expect(helpers.MessageOf(own, infrav1.InstanceReadyCondition)).To(ContainSubstring("it was started again at"))
	})
	g.Expect(b.calls("InstanceAction")).To(Equal(1))
	g.Expect(b.calls("LaunchInstance")).To(Equal(launches))

	b.sleep(stopRemembered + time.Minute)
	b.until(t, own, func(g Gomega) { g.Expect(own.Status.Stop).To(BeZero()) })
	g.Expect(helpers.MessageOf(own, infrav1.InstanceReadyCondition)).To(BeEmpty())
}

func TestAnInstanceThatIsStoppedAgainIsStartedLater(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own := b.machine(t, "fought-over")
	b.untilProvisioned(t, own)
	b.stop(t, own)
	b.untilProvisioned(t, own)
	b.until(t, own, func(g Gomega) { g.Expect(own.Status.Instance.State).To(Equal(string(oci.StateRunning))) })
	b.stop(t, own)

	b.until(t, own, func(g Gomega) {
		g.Expect(helpers.MessageOf(own, infrav1.InstanceReadyCondition)).To(ContainSubstring("started again 1 times"))
	})
	g.Expect(b.calls("InstanceAction")).To(Equal(1))
	b.sleep(firstStart + time.Second)
	b.until(t, own, func(g Gomega) { g.Expect(own.Status.Stop.Starts).To(BeEquivalentTo(2)) })
	b.untilProvisioned(t, own)
}

func TestAStartThatOCIRefusesIsToldUntilItSucceeds(t *testing.T) {
	t.Parallel()
	for name, world := range map[string]struct {
		fault sim.Fault
		want  string
	}{
		"without room": {
			sim.Fault{Operation: "InstanceAction", Status: 500, Code: "InternalError", Message: "Out of host capacity."}, "InstanceReady False OutOfCapacity",
		},
		"without permission": {
			sim.Fault{Operation: "InstanceAction", Status: 404, Code: "NotAuthorizedOrNotFound", Message: "no"}, "InstanceReady False NotAuthorizedOrNotFound",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{})
			own := b.machine(t, "full")
			b.untilProvisioned(t, own)
			b.OCI.AddFault(world.fault)
			g.Expect(b.OCI.StopInstance(own.Status.Instance.ID)).To(Succeed())

			b.untilCondition(t, own, world.want)
			b.settle(t, own, 3)
			g.Expect(helpers.ConditionsOf(own)).To(ContainElement(world.want))
			g.Expect(helpers.MessageOf(own, infrav1.InstanceReadyCondition)).To(And(
				HavePrefix("Instance was seen STOPPED at "), ContainSubstring("starting it again: "), ContainSubstring("the next try is at"),
				Not(ContainSubstring("was started again"))))
			b.sleep(firstStart + time.Second)
			b.untilProvisioned(t, own)
			g.Expect(helpers.MessageOf(own, infrav1.InstanceReadyCondition)).To(ContainSubstring("it was started again at"))
		})
	}
}

func TestAStartByAnotherHandIsNotSaidToBeOurs(t *testing.T) {
	g := NewWithT(t)
	at := metav1.NewTime(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC))
	stop := infrav1.StopStatus{SeenAt: at, Starts: 1, StartedAt: at}
	g.Expect(stopOver(&stop)).To(ContainSubstring("it was started again at"))
	stop.Refusal = "OCI has no room"
	g.Expect(stopOver(&stop)).NotTo(ContainSubstring("it was started again"))
}

func TestAnInstanceIsLeftStoppedIfThePolicySaysSo(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own := b.machine(t, "parked", func(_ *clusterv1.Machine, own *infrav1.OCIMeshMachine) { own.Spec.OnStop = infrav1.StopLeave })
	b.untilProvisioned(t, own)
	g.Expect(b.OCI.StopInstance(own.Status.Instance.ID)).To(Succeed())

	b.until(t, own, func(g Gomega) {
		g.Expect(helpers.MessageOf(own, infrav1.InstanceReadyCondition)).To(ContainSubstring("onStop is Leave, so start it"))
	})
	b.pass(t, own)
	g.Expect(b.calls("InstanceAction")).To(BeZero())

	helpers.Update(t, b.Environment, own, func(own *infrav1.OCIMeshMachine) { own.Spec.OnStop = infrav1.StopStart })
	b.untilProvisioned(t, own)
}

// OCI refuses to start it, and the Machine's deletion is the way out.
func TestAPreemptibleInstanceThatHasStoppedIsNotStarted(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own := b.machine(t, "spot", func(_ *clusterv1.Machine, own *infrav1.OCIMeshMachine) { own.Spec.Preemptible = ptr.To(true) })
	b.untilProvisioned(t, own)
	g.Expect(b.OCI.StopInstance(own.Status.Instance.ID)).To(Succeed())

	b.until(t, own, func(g Gomega) {
		g.Expect(helpers.ConditionsOf(own)).To(ContainElement("InstanceReady False InstanceStopped"))
		g.Expect(helpers.MessageOf(own, infrav1.InstanceReadyCondition)).To(HaveSuffix(
			": OCI starts no preemptible instance, so delete the Machine, and it is replaced"))
	})
	b.sleep(longestStart)
	b.settle(t, own, 3)
	g.Expect(b.calls("InstanceAction")).To(BeZero())
	b.delete(t, own)
}

func TestStartsWaitLongerEachTime(t *testing.T) {
	g := NewWithT(t)
	at := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for starts, want := range map[int32]time.Duration{0: 0, 1: time.Minute, 2: 2 * time.Minute, 5: 16 * time.Minute, 6: longestStart, 1000: longestStart} {
		stop := stopped{&infrav1.StopStatus{SeenAt: metav1.NewTime(at), Starts: starts, StartedAt: metav1.NewTime(at)}}
		g.Expect(stop.due().Sub(at)).To(Equal(want), "after %d starts", starts)
	}
}

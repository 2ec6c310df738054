// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/console"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

func TestTheLastWordsOfANodeThatDoesNotJoinAreInTheConditionAtMostEveryTenMinutes(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	b.booter.setAsleep(true)
	own := b.machine(t, "late")
	b.untilCondition(t, own, "TailnetReady False Joining")
	b.until(t, own, func(g Gomega) { g.Expect(own.Status.Instance.State).To(Equal("RUNNING")) })
	g.Expect(b.calls("CaptureConsoleHistory")).To(BeZero(), "it is not late")
	g.Expect(b.OCI.SetConsole(own.Status.Instance.ID, "Linux\r\ncapom: packages: no mirror answers; next try in 30 s\r\nlogin: ")).To(Succeed())

	b.sleep(21 * time.Minute)
	said := func(g Gomega, words string) {
		g.Expect(helpers.ConditionsOf(own)).To(ContainElement("TailnetReady False JoinTimeout"))
		g.Expect(helpers.MessageOf(own, infrav1.TailnetReadyCondition)).To(HaveSuffix("; last on its console: " + words))
	}
	b.until(t, own, func(g Gomega) { said(g, "packages: no mirror answers; next try in 30 s") })
	for range 3 {
		b.pass(t, own)
	}
	g.Expect(b.calls("CaptureConsoleHistory")).To(Equal(1))
	g.Expect(b.calls("DeleteConsoleHistory")).To(Equal(1))

	g.Expect(b.OCI.SetConsole(own.Status.Instance.ID, "capom: packages: installed\n")).To(Succeed())
	b.sleep(console.Interval + time.Second)
	b.until(t, own, func(g Gomega) { said(g, "packages: installed") })

	b.delete(t, own)
	b.expectNothingLeft(t)
}

func TestACaptureIsDeletedWithItsMachine(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{})
	b.booter.setAsleep(true)
	own := b.machine(t, "short-lived")
	b.until(t, own, func(g Gomega) { g.Expect(own.Status.Instance.State).To(Equal("RUNNING")) })
	b.sleep(21 * time.Minute)
	b.OCI.AddFault(sim.Fault{Operation: "GetConsoleHistory", Status: 429, Code: "TooManyRequests", Times: -1})
	b.OCI.AddFault(sim.Fault{Operation: "GetConsoleHistoryContent", Status: 429, Code: "TooManyRequests", Times: -1})
	b.until(t, own, func(g Gomega) { g.Expect(b.calls("CaptureConsoleHistory")).To(Equal(1)) })

	b.delete(t, own)
	b.expectNothingLeft(t)
}

func TestWhyAConsoleCannotBeReadIsToldInTheCondition(t *testing.T) {
	t.Parallel()
	const policy = "the policy needs instance-family or console-histories"
	for name, world := range map[string]struct {
		fault sim.Fault
		delay time.Duration
		said  types.GomegaMatcher
	}{
		"without permission": {
			fault: sim.Fault{Operation: "CaptureConsoleHistory", Status: 404, Code: "NotAuthorizedOrNotFound"}, said: ContainSubstring(policy),
		},
		"without permission to read it": {
			fault: sim.Fault{Operation: "GetConsoleHistoryContent", Status: 404, Code: "NotAuthorizedOrNotFound"}, said: ContainSubstring(policy),
		},
		"while OCI is at the instance": {
			fault: sim.Fault{Operation: "CaptureConsoleHistory", Status: 409, Code: "IncorrectState", Message: "it is busy"},
			said:  And(ContainSubstring("it is busy"), Not(ContainSubstring(policy))),
		},
		"while OCI fails": {
			fault: sim.Fault{Operation: "CaptureConsoleHistory", Status: 500, Code: "InternalServerError"},
			said:  And(ContainSubstring("OCI does not show the console: "), Not(ContainSubstring(policy))),
		},
		"while OCI never captures it": {delay: time.Hour, said: ContainSubstring("OCI has not captured the console within 10m0s")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			delays := helpers.FastDelays()
			delays.Volume += world.delay // a capture's, too
			b := newBench(t, helpers.WorldOptions{Sim: sim.Options{Delays: delays}})
			b.booter.setAsleep(true)
			if world.fault.Operation != "" {
				world.fault.Times = -1
				b.OCI.AddFault(world.fault)
			}
			own := b.machine(t, "unheard")
			b.until(t, own, func(g Gomega) { g.Expect(own.Status.Instance.State).To(Equal("RUNNING")) })
			b.sleep(21 * time.Minute)

			if world.delay > 0 {
				b.until(t, own, func(g Gomega) { g.Expect(own.Status.Console.HistoryID).NotTo(BeEmpty()) })
				b.sleep(console.Interval + time.Second)
			}
			b.until(t, own, func(g Gomega) { g.Expect(own.Status.Console.Message).To(world.said) })

			g.Expect(own.Status.Console.HistoryID).To(BeEmpty())
			g.Expect(helpers.MessageOf(own, infrav1.TailnetReadyCondition)).To(world.said)
		})
	}
}

func TestACaptureOutlivesAnswersThatFail(t *testing.T) {
	t.Parallel()
	for _, operation := range []string{"GetConsoleHistory", "GetConsoleHistoryContent"} {
		t.Run(operation, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{})
			own := b.launchedAsleep(t)
			g.Expect(b.OCI.SetConsole(own.Status.Instance.ID, "capom: no mirror answers\n")).To(Succeed())
			b.OCI.AddFault(sim.Fault{Operation: operation, Status: 503, Code: "ServiceUnavailable"})
			b.sleep(21 * time.Minute)

			b.until(t, own, func(g Gomega) { g.Expect(own.Status.Console.Message).NotTo(BeEmpty()) })

			g.Expect(own.Status.Console.Message).To(Equal("no mirror answers"))
			g.Expect(b.calls("CaptureConsoleHistory")).To(Equal(1))
		})
	}
}

func TestANodeThatRunsAndDoesNotRegisterIsHeardToo(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own := b.machine(t, "nodeless")
	b.untilProvisioned(t, own)
	g.Expect(helpers.MessageOf(own, infrav1.TailnetReadyCondition)).To(BeEmpty())
	g.Expect(b.OCI.SetConsole(own.Status.Instance.ID, "capom: kubeadm: the API server does not answer\n")).To(Succeed())
	b.sleep(21 * time.Minute)

	b.until(t, own, func(g Gomega) {
		g.Expect(helpers.MessageOf(own, infrav1.TailnetReadyCondition)).To(Equal(
			"No Node of the machine has appeared within 20m0s of its launch; last on its console: kubeadm: the API server does not answer"))
	})

	machine := &clusterv1.Machine{}
	g.Expect(b.Client.Get(t.Context(), client.ObjectKeyFromObject(own), machine)).To(Succeed())
	machine.Status.NodeRef = clusterv1.MachineNodeReference{Name: "nodeless"}
	g.Expect(b.Client.Status().Update(t.Context(), machine)).To(Succeed())
	b.until(t, own, func(g Gomega) { g.Expect(own.Status.Console).To(BeZero()) })
	g.Expect(helpers.MessageOf(own, infrav1.TailnetReadyCondition)).To(BeEmpty())
}

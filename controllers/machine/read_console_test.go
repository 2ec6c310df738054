// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
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

func TestAPolicyWithoutConsoleHistoriesIsToldInTheCondition(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{})
	b.booter.setAsleep(true)
	b.OCI.AddFault(sim.Fault{Operation: "CaptureConsoleHistory", Status: 404, Code: "NotAuthorizedOrNotFound", Times: -1})
	own := b.machine(t, "unheard")
	b.until(t, own, func(g Gomega) { g.Expect(own.Status.Instance.State).To(Equal("RUNNING")) })
	b.sleep(21 * time.Minute)

	b.until(t, own, func(g Gomega) {
		g.Expect(helpers.MessageOf(own, infrav1.TailnetReadyCondition)).To(ContainSubstring("the policy needs instance-family or console-histories"))
	})
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

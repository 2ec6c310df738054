// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build lab && outages

package cluster_test

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/kit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/world"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/watch"
)

const (
	// awayVariable is how long the coordination server is away at least, if the stages take less.
	awayVariable = "CAPOM_LAB_AWAY"
	// unhealthyAway is the health checks' time meanwhile: less than the server is away, more than a
	// machine takes to reboot.
	unhealthyAway = 2 * time.Minute
	// unreached is for how long a node must reach nobody. With a relay it takes half as long.
	unreached = 30 * time.Second
)

// TestAClusterWithoutItsServers takes 18 minutes. CI does not run it.
func TestAClusterWithoutItsServers(t *testing.T) { inLab(t, clusterWithoutItsServers) }

func clusterWithoutItsServers(t *testing.T) {
	s := start(t, []string{"alpha", "bravo", "charlie"}, world.ClusterOptions{
		Name: "mesh", Flavor: "always-free", Version: kit.NewVersion, ControlPlanes: 3, Workers: 2,
		Variables: []string{"OCIMESH_WORKER_MEMORY_GB=8"},
	})
	a := &away{all: t}
	s.walk([]stage{
		{"machines become nodes on the tailnet, and pods reach each other", (*suite).whole},
		{"the coordination server is away, and the Tailnet and its machines say so", a.begins},
		{"without it the VIP's holder dies, nodes have another API server, and it comes back", a.holderDies},
		{"without it an API server hangs, and nodes have another one", a.apiServerHangs},
		{"without it tailscaled restarts on a worker", a.tailscaledRestarts},
		{"without it that worker reboots", a.workerReboots},
		{"without it a pod moves to that worker", a.podMoves},
		{"without it and a relay a tailscaled that restarts reaches nobody, until both are back", a.relayAwayToo},
		{"without the management cluster a worker reboots, and a pod moves", (*suite).managersStopped},
		{"deleted, it leaves nothing", (*suite).leavesNothing},
	})
}

// away is what stages without the coordination server hand on.
type away struct {
	// all is the test of all stages.
	all   *testing.T
	since time.Time

	before kept
	calls  map[string]int
	// names are the nodes' by Machine.
	names map[string]string
	// holder has the VIP and dies; hangs has an API server that does, spared one that does not.
	holder, hangs, spared watch.Machine
	// restarts is a worker that restarts, quiet one that does not.
	restarts, quiet watch.Machine
	// untouched is what machines that nothing is done to see of each other all the time.
	untouched *outages
}

func (a *away) everybody() []watch.Machine {
	return []watch.Machine{a.holder, a.hangs, a.spared, a.restarts, a.quiet}
}

func without(all []watch.Machine, m watch.Machine) []watch.Machine {
	return slices.DeleteFunc(slices.Clone(all), func(other watch.Machine) bool { return other.Name == m.Name })
}

// direct is the suite of a stage that asks an API server that nothing is done to: the VIP does not
// move.
func (a *away) direct(s *suite) *suite {
	s.t.Helper()
	direct := *s
	direct.cluster = s.cluster.At(a.before.addresses[a.names[a.spared.Name]])
	return &direct
}

// begins takes the coordination server away, and waits until it is told.
func (a *away) begins(s *suite) {
	a.choose(s)
	s.Expect(s.cluster.SetUnhealthyTimeout(s.t.Context(), unhealthyAway)).To(Succeed())
	a.untouched = s.in(a.all).look([]watch.Machine{a.spared, a.quiet}, []watch.Machine{a.hangs, a.spared, a.quiet})

	s.Expect(s.world.SetCoordinationServer(s.t.Context(), false)).To(Succeed())
	a.since = time.Now()

	tailnet := &infrav1.Tailnet{}
	s.Eventually(func(g Gomega) {
		g.Expect(s.world.Client.Get(s.t.Context(), client.ObjectKey{Name: world.TailnetName}, tailnet)).To(Succeed())
		for _, condition := range []string{infrav1.ReadyCondition, infrav1.CredentialsValidCondition} {
			g.Expect(conditions.GetReason(tailnet, condition)).To(Equal(infrav1.UnavailableReason))
			g.Expect(conditions.GetMessage(tailnet, condition)).To(And(
				ContainSubstring("The coordination server has not answered since "), ContainSubstring("none is repaired or replaced for it")))
		}
	}, soon, interval).Should(Succeed())
	fmt.Fprintf(os.Stderr, "%.0f s after it went away, the Tailnet says: %s\n", time.Since(a.since).Seconds(),
		conditions.GetMessage(tailnet, infrav1.ReadyCondition))
}

// expectTold waits for what the cluster and its machines say of the server that is away.
func (a *away) expectTold(s *suite) {
	s.t.Helper()
	s.Eventually(func(g Gomega) {
		infra := s.snapshot().Infra
		g.Expect(conditions.GetReason(infra, infrav1.ReadyCondition)).To(Equal(infrav1.TailnetNotReadyReason))
		g.Expect(conditions.GetMessage(infra, infrav1.ReadyCondition)).To(ContainSubstring("The coordination server has not answered since "))
		for _, m := range a.everybody() {
			g.Expect(s.tailnetReason(m)).To(Equal(infrav1.UnavailableReason), m.Name)
		}
	}, soon, interval).Should(Succeed())
}

// choose tells the machines apart. An API server that hangs is one that nodes use.
func (a *away) choose(s *suite) {
	s.t.Helper()
	a.before, a.calls, a.names = s.machinesNow(), s.actions(), map[string]string{}
	used := map[string]int{}
	for _, m := range s.snapshot().Machines {
		a.names[m.Name] = s.node(m).Name
		used[s.exec(m, "nft list chain ip capom_members output | sed -n 's/.*dnat to //p'")]++
	}
	a.holder = s.primary()
	others := without(s.machines(watch.ControlPlane), a.holder)
	slices.SortFunc(others, func(x, y watch.Machine) int { return used[a.address(y).String()] - used[a.address(x).String()] })
	a.hangs, a.spared = others[0], others[1]
	workers := s.machines(watch.Worker)
	a.restarts, a.quiet = workers[0], workers[1]
	fmt.Fprintf(os.Stderr, "%d nodes are sent to the API server that will hang, %d to that of the VIP's holder\n",
		used[a.address(a.hangs).String()], used[a.address(a.holder).String()])
}

func (a *away) address(m watch.Machine) netip.Addr { return a.before.addresses[a.names[m.Name]] }

// holderDies cuts the power of the VIP's holder. The VIP cannot move.
func (a *away) holderDies(s *suite) {
	rest := without(a.everybody(), a.holder)
	seen := s.look(rest, rest)
	direct := a.direct(s)

	s.Expect(s.booted(a.holder).Kill()).To(Succeed())
	dead := time.Now()

	for _, m := range rest {
		direct.heardOf(a.names[m.Name], dead)
	}
	seen.end("the VIP's holder is dead")
	s.expectLeftAlone(a.calls)

	s.Expect(s.booted(a.holder).Boot(s.t.Context())).To(Succeed())
	direct.isBack(a.names[a.holder.Name], "the VIP's holder boots")
	s.heardOf(a.names[a.holder.Name], dead)
	s.expectLeftAlone(a.calls)
}

// isBack waits for a node whose machine was restarted just now, and its pod.
func (s *suite) isBack(node, what string) {
	s.t.Helper()
	begun := time.Now()
	s.heardOf(node, begun)
	reported := time.Since(begun)
	s.Eventually(func() string { return s.cluster.MissingPods(s.t.Context()) }, settleTimeout, interval).Should(BeEmpty())
	fmt.Fprintf(os.Stderr, "%s: its kubelet reports after %.0f s, its pod is reached after %.0f s\n", what, reported.Seconds(), time.Since(begun).Seconds())
}

// apiServerHangs stops an API server, so that connections get no answer. kubelet of its own node
// has that one only, by kubeadm (kubelet.conf of a control plane that joined), and restarts it in
// the end; everything else there has another one.
func (a *away) apiServerHangs(s *suite) {
	seen := s.look(a.everybody(), nil)
	direct := a.direct(s)
	pid := s.exec(a.hangs, "pidof kube-apiserver")

	s.exec(a.hangs, "kill -STOP "+pid)
	hung := time.Now()

	for _, m := range without(a.everybody(), a.hangs) {
		direct.heardOf(a.names[m.Name], hung)
	}
	seen.end("an API server hangs")
	// kubelet may have replaced it by now.
	s.exec(a.hangs, "kill -CONT "+pid+" || true")
	s.Eventually(func() bool { return s.holds(a.hangs) }, soon, interval).Should(BeTrue(), "%s is ready again and does not hold the VIP", a.hangs.Name)
	s.expectLeftAlone(a.calls)
}

func (a *away) tailscaledRestarts(s *suite) {
	seen := s.look(a.everybody(), a.everybody())

	s.exec(a.restarts, "systemctl restart tailscaled")

	seen.end("tailscaled restarts on a worker")
	s.Expect(s.exec(a.restarts, "tailscale ip -4")).To(Equal(a.address(a.restarts).String()))
	s.expectLeftAlone(a.calls)
}

// workerReboots reboots the same worker: the map on its disk is the one that was read before.
func (a *away) workerReboots(s *suite) {
	rest := without(a.everybody(), a.restarts)
	seen := s.look(rest, rest)

	s.Expect(s.booted(a.restarts).Reboot(s.t.Context())).To(Succeed())

	s.isBack(a.names[a.restarts.Name], "a worker reboots")
	seen.end("a worker reboots, the others")
	s.Expect(s.exec(a.restarts, "tailscale ip -4")).To(Equal(a.address(a.restarts).String()))
	s.expectLeftAlone(a.calls)
}

func (a *away) podMoves(s *suite) {
	s.podMoves(a.quiet, a.restarts, "a pod moves to the worker that rebooted")
	s.expectLeftAlone(a.calls)
}

// relayAwayToo leaves nodes the paths that they have. One that restarts has none, and no way to
// tell the others its new key for finding paths.
func (a *away) relayAwayToo(s *suite) {
	lone := s.look([]watch.Machine{a.spared, a.quiet}, []watch.Machine{a.restarts})
	s.Expect(s.world.SetRelay(s.t.Context(), false)).To(Succeed())
	s.exec(a.restarts, "systemctl restart tailscaled")

	s.Eventually(func() string { return s.exec(a.restarts, "tailscale ip -4 || true") }, soon, interval).Should(Equal(a.address(a.restarts).String()))
	unreachable := func(g Gomega) {
		for _, seen := range lone.sights(g) {
			if seen.sees == seesPods {
				g.Expect(seen.Row).To(BeZero(), "%s is reached: docs/operations.md says that it is not", a.restarts.Name)
			}
		}
	}
	s.Eventually(unreachable, soon, interval).Should(Succeed())
	s.Consistently(unreachable, max(unreached, a.left()), interval).Should(Succeed())
	a.expectTold(s)
	a.untouched.suite = s
	a.untouched.tell(fmt.Sprintf("machines that nothing was done to, after %.0f s without the server", time.Since(a.since).Seconds()))
	s.expectLeftAlone(a.calls)

	s.Expect(s.world.SetRelay(s.t.Context(), true)).To(Succeed())
	s.Expect(s.world.SetCoordinationServer(s.t.Context(), true)).To(Succeed())
	back := time.Now()
	lone.end("tailscaled restarted without a relay")
	fmt.Fprintf(os.Stderr, "%.0f s after the servers are back, %s is reached\n", time.Since(back).Seconds(), a.restarts.Name)
	a.expectHealed(s, back)
}

// left is how long the server has to stay away yet.
func (a *away) left() time.Duration {
	wanted, err := time.ParseDuration(os.Getenv(awayVariable))
	if err != nil {
		return 0
	}
	return wanted - time.Since(a.since)
}

func (a *away) expectHealed(s *suite, back time.Time) {
	s.t.Helper()
	s.Eventually(func(g Gomega) {
		tailnet := &infrav1.Tailnet{}
		g.Expect(s.world.Client.Get(s.t.Context(), client.ObjectKey{Name: world.TailnetName}, tailnet)).To(Succeed())
		g.Expect(conditions.GetReason(tailnet, infrav1.ReadyCondition)).To(Equal(infrav1.ReadyReason))
	}, soon, interval).Should(Succeed())
	fmt.Fprintf(os.Stderr, "%.0f s after the servers are back, the Tailnet says so\n", time.Since(back).Seconds())
	s.whole()
	fmt.Fprintf(os.Stderr, "%.0f s after the servers are back, the cluster is whole\n", time.Since(back).Seconds())
	a.untouched.end("machines that nothing was done to, until the cluster was whole")
	s.Expect(s.machinesNow()).To(Equal(a.before))
	s.expectLeftAlone(a.calls)
	s.expectNothingDoubled()
	s.Expect(s.cluster.SetUnhealthyTimeout(s.t.Context(), world.UnhealthyTimeout)).To(Succeed())
}

// actions count what was done to instances.
func (s *suite) actions() map[string]int {
	counts := map[string]int{}
	for operation, count := range s.world.OCI.CallCounts("") {
		if slices.Contains([]string{"LaunchInstance", "TerminateInstance", "InstanceAction", "UpdateInstance"}, operation) {
			counts[operation] = count
		}
	}
	return counts
}

// expectLeftAlone looks for anything done to a machine since, and for anybody who wants it done.
func (s *suite) expectLeftAlone(before map[string]int) {
	s.t.Helper()
	s.Expect(s.actions()).To(Equal(before), "calls to OCI")
	requests := &infrav1.OCIMeshRemediationList{}
	s.Expect(s.world.Client.List(s.t.Context(), requests, client.InNamespace(s.cluster.Name))).To(Succeed())
	s.Expect(requests.Items).To(BeEmpty())
	machines := &clusterv1.MachineList{}
	s.Expect(s.world.Client.List(s.t.Context(), machines, client.InNamespace(s.cluster.Name))).To(Succeed())
	s.Expect(machines.Items).To(HaveLen(s.cluster.ControlPlanes + s.cluster.Workers))
	for _, m := range machines.Items {
		s.Expect(m.DeletionTimestamp.IsZero()).To(BeTrue(), m.Name)
		for _, condition := range []string{clusterv1.MachineHealthCheckSucceededCondition, clusterv1.MachineOwnerRemediatedCondition} {
			s.Expect(conditions.IsFalse(&m, condition)).To(BeFalse(), "%s: %s", m.Name, conditions.GetMessage(&m, condition))
		}
	}
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package leader tests two managers with one leader: both are real processes over one API server,
// OCI and the tailnet are simulated.
package leader

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/fleet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/user"
)

const (
	// patience is how long anything may take on a busy machine.
	patience = 2 * time.Minute
	tick     = 100 * time.Millisecond

	// machines are more than may be launched at once (inFlight), so some wait in the process for
	// their turn.
	machines = 14
	// passing are launched before launches are held.
	passing  = 4
	inFlight = 6
	lease    = "capom-controller-manager-leader-election"
)

// world is a fleet with two managers and a gate in front of OCI.
type world struct {
	*fleet.Fleet
	gate *gate
}

func newWorld(t *testing.T) *world {
	t.Helper()
	g := NewWithT(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	root, err := filepath.Abs("../..")
	g.Expect(err).NotTo(HaveOccurred())
	const short = 50 * time.Millisecond
	w := &world{gate: newGate(passing)}
	w.Fleet, err = fleet.Start(ctx, fleet.Options{
		Root: root, Dir: t.TempDir(), Accounts: 1, Clusters: 1, Join: short,
		Delays: sim.Delays{
			Provision: short, Start: short, Stop: short, Terminate: short, Network: short, Volume: short, Retention: 5 * time.Minute,
		},
		Args: []string{
			"--poll-interval=2s", "--progress-interval=200ms", fmt.Sprintf("--concurrency=%d", 3*inFlight),
			"--leader-elect", "--leader-elect-lease-duration=4s", "--leader-elect-renew-deadline=3s", "--leader-elect-retry-period=500ms",
		},
		Between: func(oci string) string { return w.gate.between(t, oci) },
	})
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = w.Close() })
	return w
}

// pauseWhileLaunching stops the leader in the middle: some machines are launched, some launches are
// under way, some wait for their turn. It returns the names of those that are under way.
func (w *world) pauseWhileLaunching(t *testing.T, pid int) []string {
	t.Helper()
	g := NewWithT(t)
	g.Expect(w.Prepare(t.Context(), machines)).To(Succeed())
	g.Expect(w.Launch(t.Context())).To(Succeed())
	g.Eventually(w.gate.waiting, patience, tick).Should(HaveLen(inFlight))
	g.Eventually(func() int { return len(w.keys(g)) }, patience, tick).Should(BeNumerically(">", inFlight))
	g.Expect(syscall.Kill(pid, syscall.SIGSTOP)).To(Succeed())
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGCONT) })
	held := w.gate.waiting()
	w.gate.letPass()
	return held
}

// expectHarmlessKeys expects no device, and only keys that nobody can use for long. A manager
// waking up may mint a key before it learns about its lost lease. No machine has the key, it
// expires, and its Secret is swept.
func (w *world) expectHarmlessKeys(g *WithT) {
	g.Expect(w.Control.Leftovers().Devices).To(BeEmpty())
	for _, key := range w.Control.Leftovers().Keys {
		g.Expect(key.Reusable).To(BeFalse())
		g.Expect(key.Used).To(BeFalse())
		g.Expect(key.Expires).To(BeTemporally("<", time.Now().Add(tailnet.MaxKeyExpiry+time.Minute)))
	}
}

func TestAPausedLeaderThatLaunchesLateMakesNothingThatStays(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t)
	old := w.Manager
	standby, err := w.AddManager(t.Context(), "standby")
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(standby.Stop)
	first := w.leader(g)

	held := w.pauseWhileLaunching(t, old.PID())

	// Of the machines with launches in flight one stays, the others are deleted while there is no
	// leader.
	stays := w.machineOf(g, held[0])
	for _, name := range held[1:] {
		g.Expect(w.Client.Delete(t.Context(), w.machineOf(g, name))).To(Succeed())
	}
	g.Eventually(func() string { return w.leader(g) }, patience, tick).ShouldNot(Equal(first))
	w.awaitReady(g, machines-len(held)+1)
	w.expectInstances(g, machines-len(held)+1)

	// The rest of them are deleted too, but for the one.
	for _, own := range w.machines(g) {
		if own.Name != stays.Name {
			g.Expect(w.Client.Delete(t.Context(), &own)).To(Succeed())
		}
	}
	w.awaitReady(g, 1)
	w.expectInstances(g, 1)

	// Its launches arrive late, and then it wakes up.
	w.gate.open()
	g.Eventually(w.gate.arrived, patience, tick).Should(HaveLen(len(held)))
	g.Expect(syscall.Kill(old.PID(), syscall.SIGCONT)).To(Succeed())
	g.Eventually(old.Done(), patience, tick).Should(BeClosed())
	g.Expect(old.Expected()).To(BeFalse(), "nobody stopped it")
	log, err := os.ReadFile(old.Log)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(log)).To(ContainSubstring("leader election lost"))

	w.expectInstances(g, 1)
	w.awaitReady(g, 1)
	for name, count := range w.gate.launched() {
		g.Expect(count).To(Equal(1), "instances that were ever made for %s", name)
	}
	g.Expect(w.Client.Delete(t.Context(), stays)).To(Succeed())
	w.awaitReady(g, 0)
	w.expectInstances(g, 0)
	w.expectHarmlessKeys(g)
	g.Expect(standby.Expected()).To(BeFalse())
	g.Expect(standby.Done()).NotTo(BeClosed(), "the new leader runs")
}

// leader is the holder of the lease.
func (w *world) leader(g *WithT) string {
	held := &coordinationv1.Lease{}
	err := w.Client.Get(context.Background(), client.ObjectKey{Namespace: user.SecretsNamespace, Name: lease}, held)
	g.Expect(err).NotTo(HaveOccurred())
	if held.Spec.HolderIdentity == nil {
		return ""
	}
	return *held.Spec.HolderIdentity
}

// machines are the existing OCIMeshMachines.
func (w *world) machines(g *WithT) []infrav1.OCIMeshMachine {
	list := &infrav1.OCIMeshMachineList{}
	g.Expect(w.Client.List(context.Background(), list)).To(Succeed())
	return list.Items
}

// machineOf is the machine of the instance with the name: it ends in a part of the machine's
// identity.
func (w *world) machineOf(g *WithT, instance string) *infrav1.OCIMeshMachine {
	own := &infrav1.OCIMeshMachine{}
	name := instance[:strings.LastIndex(instance, "-")]
	g.Expect(w.Client.Get(context.Background(), client.ObjectKey{Namespace: fleet.Namespace, Name: name}, own)).To(Succeed())
	return own
}

// keys are the tailnet keys kept by the managers.
func (w *world) keys(g *WithT) []corev1.Secret {
	list := &corev1.SecretList{}
	err := w.Client.List(context.Background(), list, client.InNamespace(user.SecretsNamespace), client.HasLabels{tailnetnode.KindLabel})
	g.Expect(err).NotTo(HaveOccurred())
	return list.Items
}

// awaitReady waits until there are so many machines, all of them Ready.
func (w *world) awaitReady(g *WithT, count int) {
	g.Eventually(func(g Gomega) {
		list := &infrav1.OCIMeshMachineList{}
		g.Expect(w.Client.List(context.Background(), list)).To(Succeed())
		for _, own := range list.Items {
			g.Expect(conditions.IsTrue(&own, infrav1.ReadyCondition)).To(BeTrue(), "%s: %v", own.Name, own.Status.Conditions)
		}
		g.Expect(list.Items).To(HaveLen(count))
	}, patience, tick).Should(Succeed())
}

// expectInstances expects so many instances with their boot volumes: one for each machine.
func (w *world) expectInstances(g *WithT, count int) {
	left, err := w.OCI.Leftovers(w.Accounts[0])
	g.Expect(err).NotTo(HaveOccurred())
	kinds := map[string]int{}
	for _, resource := range left {
		kinds[strings.ToLower(resource.Kind)]++
	}
	g.Expect(kinds["instance"]).To(Equal(count), "%v", left)
	g.Expect(kinds["bootvolume"]).To(Equal(count), "%v", left)
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build lab

package cluster_test

import (
	"context"
	"strings"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/kit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/world"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/user"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/watch"
)

// grownGB is a worker's memory once it has grown.
const grownGB = 12

// stoppedIsStarted asks for another version before, which the mirror does not have yet.
func (u *updates) stoppedIsStarted(s *suite) {
	s.Expect(s.world.Fill()).To(Succeed())
	u.before = s.machinesNow()
	u.observeUpdates(s)
	s.world.Mirror.SetNewest(kit.OldVersion)
	s.Expect(user.UpgradeControlPlane(s.t.Context(), s.world.Client, s.snapshot().ControlPlane, kit.NextVersion)).To(Succeed())

	worker := s.machines(watch.Worker)[0]
	node, before := s.node(worker).Name, s.startedAt(worker)
	s.Expect(s.world.OCI.StopInstance(worker.Instance)).To(Succeed())

	s.awaitRestart(worker, before)
	s.heardOf(node, time.Now())

	s.Expect(s.world.OCI.InstanceState(worker.Instance)).To(Equal("RUNNING"))
	s.Eventually(func() string { return conditions.GetMessage(s.infra(worker), infrav1.InstanceReadyCondition) }, soon, interval).
		Should(ContainSubstring("this provider did not ask for it; it was started again"))
}

// hung is a machine that hangs.
type hung struct {
	watch.Machine
	node  string
	since time.Time
	// repaired gets what was sent to OCI once the repair is over.
	repaired chan []infrav1.RemediationAction
}

// hang gives a soft reset, which does not help a machine that hangs, the shortest time.
func (u *updates) hang(s *suite, m watch.Machine) {
	u.hung = hung{Machine: m, node: s.node(m).Name, repaired: make(chan []infrav1.RemediationAction, 1)}
	s.Expect(s.cluster.SetUnhealthyTimeout(s.t.Context(), 5*time.Second, s.workersCheck())).To(Succeed())
	s.Expect(s.cluster.SetRepairs(s.t.Context(),
		infrav1.RemediationStep{Action: infrav1.RemediationSoftReset, Tries: 1, TimeoutSeconds: 30},
		infrav1.RemediationStep{Action: infrav1.RemediationReset, Tries: 1, TimeoutSeconds: 900},
	)).To(Succeed())
	s.Expect(s.world.Hang(s.t.Context(), m.Instance)).To(Succeed())
	u.hung.since = time.Now()
	go s.followRepair(u.all.Context(), u.hung)
}

// followRepair reads a machine's request for a repair until it is gone, which it is once the
// machine is healthy.
func (s *suite) followRepair(ctx context.Context, h hung) {
	var sent []infrav1.RemediationAction
	_ = wait.PollUntilContextCancel(ctx, interval, true, func(ctx context.Context) (bool, error) {
		request := &infrav1.OCIMeshRemediation{}
		err := s.world.Client.Get(ctx, client.ObjectKey{Namespace: s.cluster.Name, Name: h.Name}, request)
		if err != nil {
			return len(sent) > 0 && apierrors.IsNotFound(err), nil
		}
		sent = nil
		for _, attempt := range request.Status.Attempts {
			if !attempt.SentAt.IsZero() {
				sent = append(sent, attempt.Action)
			}
		}
		return false, nil
	})
	h.repaired <- sent
}

func (u *updates) hungIsReset(s *suite) {
	s.Eventually(u.hung.repaired, settleTimeout, interval).Should(Receive(Equal([]infrav1.RemediationAction{infrav1.RemediationSoftReset, infrav1.RemediationReset})))
	s.heardOf(u.hung.node, u.hung.since)

	s.Expect(s.cluster.SetUnhealthyTimeout(s.t.Context(), world.UnhealthyTimeout, s.workersCheck())).To(Succeed())
	s.Expect(s.machines(watch.Worker)).To(ContainElement(HaveField("Instance", u.hung.Instance)))
}

// workersCheck is the name of the workers' MachineHealthCheck.
func (s *suite) workersCheck() string { return s.cluster.Name + "-workers" }

// growWorkers changes the size in the workers' template. OCI restarts the machines for it.
func (s *suite) growWorkers() {
	s.t.Helper()
	_, err := user.ChangeWorkers(s.t.Context(), s.world.Client, s.snapshot().Deployment, "grown", func(spec *infrav1.OCIMeshMachineSpec) {
		spec.Shapes[0].MemoryGB = grownGB
	})
	s.Expect(err).NotTo(HaveOccurred())
}

// expectGrown waits until a worker has grown by a restart since it was started.
func (s *suite) expectGrown(m watch.Machine, before string) {
	s.t.Helper()
	s.Eventually(func() float64 { return s.memoryOf(m) }, settleTimeout, interval).Should(BeEquivalentTo(grownGB))
	s.awaitRestart(m, before)
	s.awaitUpdated(m, kit.OldVersion)
}

// memoryOf is a machine's size in GB, as OCI has it.
func (s *suite) memoryOf(m watch.Machine) float64 {
	s.t.Helper()
	machines, err := s.world.OCI.Machines(m.Account)
	s.Expect(err).NotTo(HaveOccurred())
	for _, found := range machines {
		if found.ID == m.Instance {
			return found.MemoryInGBs
		}
	}
	s.t.Fatalf("OCI has no instance of %s", m.Name)
	return 0
}

// startedAt is when a machine's init began, by the clock of all machines; empty while it is not
// known.
func (s *suite) startedAt(m watch.Machine) string {
	out, err := s.booted(m).Exec(s.t.Context(), "systemctl", "show", "--value", "-p", "UserspaceTimestampMonotonic")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(out)
}

// awaitRestart waits until a machine's init is a later one.
func (s *suite) awaitRestart(m watch.Machine, before string) {
	s.t.Helper()
	s.Expect(before).NotTo(BeEmpty())
	s.Eventually(func() string { return s.startedAt(m) }, settleTimeout, interval).ShouldNot(Or(BeEmpty(), Equal(before)), "%s is not restarted", m.Name)
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build lab

package cluster_test

import (
	"strings"
	"time"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/world"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/user"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/watch"
)

// grownGB is a worker's memory once it has grown.
const grownGB = 12

func (s *suite) stoppedIsStarted() {
	worker := s.machines(watch.Worker)[0]
	node, before := s.node(worker).Name, s.startedAt(worker)
	s.Expect(s.world.OCI.StopInstance(worker.Instance)).To(Succeed())

	s.awaitRestart(worker, before)
	s.heardOf(node, time.Now())

	s.Expect(s.world.OCI.InstanceState(worker.Instance)).To(Equal("RUNNING"))
	s.Eventually(func() string { return conditions.GetMessage(s.infra(worker), infrav1.InstanceReadyCondition) }, soon, interval).
		Should(ContainSubstring("this provider did not ask for it; it was started again"))
}

// hungIsReset gives a soft reset, which does not help a machine that hangs, the shortest time.
func (s *suite) hungIsReset() {
	worker := s.machines(watch.Worker)[0]
	node, check := s.node(worker).Name, s.cluster.Name+"-workers"
	s.Expect(s.cluster.SetUnhealthyTimeout(s.t.Context(), 5*time.Second, check)).To(Succeed())
	s.Expect(s.cluster.SetRepairs(s.t.Context(),
		infrav1.RemediationStep{Action: infrav1.RemediationSoftReset, Tries: 1, TimeoutSeconds: 30},
		infrav1.RemediationStep{Action: infrav1.RemediationReset, Tries: 1, TimeoutSeconds: 900},
	)).To(Succeed())
	s.Expect(s.world.Hang(s.t.Context(), worker.Instance)).To(Succeed())
	hung := time.Now()

	request := &infrav1.OCIMeshRemediation{}
	s.Eventually(func(g Gomega) {
		g.Expect(s.world.Client.Get(s.t.Context(), client.ObjectKey{Namespace: s.cluster.Name, Name: worker.Name}, request)).To(Succeed())
		var taken []infrav1.RemediationAction
		for _, attempt := range request.Status.Attempts {
			g.Expect(attempt.SentAt.IsZero()).To(BeFalse())
			taken = append(taken, attempt.Action)
		}
		g.Expect(taken).To(Equal([]infrav1.RemediationAction{infrav1.RemediationSoftReset, infrav1.RemediationReset}))
	}, settleTimeout, interval).Should(Succeed())
	s.heardOf(node, hung)

	s.Eventually(func() error {
		return s.world.Client.Get(s.t.Context(), client.ObjectKeyFromObject(request), request)
	}, settleTimeout, interval).ShouldNot(Succeed(), "the machine is healthy and its repair is not over")
	s.Expect(s.cluster.SetUnhealthyTimeout(s.t.Context(), world.UnhealthyTimeout, check)).To(Succeed())
	s.Expect(s.machines(watch.Worker)).To(HaveExactElements(HaveField("Instance", worker.Instance)))
}

// workerGrows changes the size in the workers' template. OCI restarts the machine for it.
func (s *suite) workerGrows() {
	worker := s.machines(watch.Worker)[0]
	before := s.startedAt(worker)
	s.Expect(s.memoryOf(worker)).To(BeNumerically("<", grownGB))
	snapshot := s.snapshot()
	_, err := user.ChangeWorkers(s.t.Context(), s.world.Client, snapshot.Deployment, "grown", func(spec *infrav1.OCIMeshMachineSpec) {
		spec.Shapes[0].MemoryGB = grownGB
	})
	s.Expect(err).NotTo(HaveOccurred())

	s.Eventually(func() float64 { return s.memoryOf(worker) }, settleTimeout, interval).Should(BeEquivalentTo(grownGB))
	s.awaitRestart(worker, before)
	s.awaitUpdated(worker, worker.Version)
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

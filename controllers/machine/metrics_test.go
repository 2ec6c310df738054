// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"fmt"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/report"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

// measure has the bench's reconciler count from an hour ago on, as a process that has run for so
// long.
func (b *bench) measure(t *testing.T, since time.Time) *prometheus.Registry {
	t.Helper()
	registry := prometheus.NewRegistry()
	var err error
	b.r.Metrics, err = NewMetrics(registry, since)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return registry
}

// samples are the counts of all series that have counted something, as "name label value … =
// count". The test's namespace is taken out of account names.
func samples(t *testing.T, b *bench, registry *prometheus.Registry) []string {
	t.Helper()
	families, err := registry.Gather()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	var out []string
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			words := []string{strings.TrimPrefix(family.GetName(), "capom_")}
			for _, label := range metric.GetLabel() {
				words = append(words, strings.TrimPrefix(label.GetValue(), b.Namespace+"-"))
			}
			count := metric.GetCounter().GetValue()
			if histogram := metric.GetHistogram(); histogram != nil {
				count = float64(histogram.GetSampleCount())
			}
			if count == 0 {
				continue
			}
			out = append(out, fmt.Sprintf("%s = %v", strings.Join(words, " "), count))
		}
	}
	return out
}

func TestEachPhaseOfAMachineIsCountedOnce(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	registry := b.measure(t, time.Now().Add(-time.Hour))
	own := b.machine(t, "worker")
	b.untilProvisioned(t, own)
	want := []string{
		"placements_total a spread = 1",
		"machine_phase_duration_seconds a placed = 1", "machine_phase_duration_seconds a launched = 1",
		"machine_phase_duration_seconds a running = 1", "machine_phase_duration_seconds a joined = 1",
		"machine_phase_duration_seconds a provisioned = 1",
	}
	g.Expect(samples(t, b, registry)).To(ConsistOf(want))

	// What is known is lost, then found again.
	b.losesStatus(t, own)
	b.untilProvisioned(t, own)

	g.Expect(samples(t, b, registry)).To(ConsistOf(want))
	b.delete(t, own)
	g.Expect(samples(t, b, registry)).To(ConsistOf(want))
	g.Expect(b.r.Metrics.counted).To(BeEmpty(), "nothing is remembered of a machine that is gone")
}

// A rate counts from the first sample of a series on.
func TestDurationsHaveTheirSeriesBeforeAFirstMachineIsThrough(t *testing.T) {
	g := NewWithT(t)
	m, err := NewMetrics(prometheus.NewRegistry(), time.Now())
	g.Expect(err).NotTo(HaveOccurred())
	own := &infrav1.OCIMeshMachine{Status: infrav1.OCIMeshMachineStatus{Placement: infrav1.Placement{Attempt: 1, Account: "alice"}}}

	m.saved(&scope{own: own, before: &infrav1.OCIMeshMachine{}, machine: &clusterv1.Machine{}})

	g.Expect(testutil.CollectAndCount(m.phases)).To(Equal(3), "running, joined and provisioned")
}

func TestAPhaseThatBeganBeforeTheProcessIsNotCounted(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own := b.machine(t, "worker")
	b.until(t, own, func(g Gomega) { g.Expect(own.Status.Instance.ID).NotTo(BeEmpty()) })
	registry := b.measure(t, time.Now().Add(time.Hour))

	b.untilProvisioned(t, own)

	g.Expect(samples(t, b, registry)).To(BeEmpty())
}

func TestARefusalForABudgetIsCountedOnceAndByName(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	b.setBudget(t, 0, 0)
	registry := b.measure(t, time.Now().Add(-time.Hour))
	own := b.machine(t, "worker")
	b.untilCondition(t, own, "Placed False BudgetExceeded")
	b.pass(t, own)
	g.Expect(samples(t, b, registry)).To(ConsistOf("placement_refusals_total BudgetExceeded = 1"))
}

func TestShortagesAndRefusalsAreCountedByReason(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{Accounts: 2, Tenancy: func(_ int, tenancy *sim.Tenancy) { tenancy.FDs = 1 }})
	registry := b.measure(t, time.Now().Add(-time.Hour))
	b.setCapacity(t, 0, sim.CapacityKey{Shape: arm}, 0)
	b.setCapacity(t, 1, sim.CapacityKey{Shape: arm}, 0)
	own := b.machine(t, "worker")

	b.untilCondition(t, own, "Placed False NoCapacity")

	shape := "VM.Standard.A1.Flex"
	g.Expect(samples(t, b, registry)).To(ConsistOf(
		"placements_total a spread = 1", "placements_total b another-try = 1",
		"capacity_shortages_total a OutOfCapacity "+shape+" = 1", "capacity_shortages_total b OutOfCapacity "+shape+" = 1",
		"placement_refusals_total NoCapacity = 1",
	))
	g.Expect(client.IgnoreNotFound(b.Client.Delete(t.Context(), own))).To(Succeed())
}

func TestARefusalIsCountedByTheReasonOfTheConditionAndAWaitIsNot(t *testing.T) {
	for reason, counted := range map[string]string{
		infrav1.LaunchRefusedReason:                   infrav1.LaunchRefusedReason,
		infrav1.ImageNotFoundReason:                   infrav1.ImageNotFoundReason,
		infrav1.WaitingReason:                         "",
		infrav1.WaitingForBootstrapDataReason:         "",
		infrav1.WaitingForClusterInfrastructureReason: "",
	} {
		own := &infrav1.OCIMeshMachine{}
		s := &scope{own: own, before: own.DeepCopy()}
		conditions.Set(own, report.NotOK(infrav1.PlacedCondition, reason, "There is no place"))
		NewWithT(t).Expect(refusedFor(s)).To(Equal(counted))
	}
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/report"
)

// The phases of a machine on its way up, as in metrics.
const (
	phasePlaced      = "placed"
	phaseLaunched    = "launched"
	phaseRunning     = "running"
	phaseJoined      = "joined"
	phaseProvisioned = "provisioned"
)

// Reasons of placements, as in metrics.
const (
	placedBySpread        = "spread"
	placedByFailureDomain = "failure-domain"
	placedInOtherShape    = "other-shape"
	placedAfterAnotherTry = "another-try"
)

// Metrics tell how machines come up. A nil Metrics counts nothing.
type Metrics struct {
	// since is the start of the process: nobody watched all the time before.
	since time.Time

	placements *prometheus.CounterVec
	refused    *prometheus.CounterVec
	shortages  *prometheus.CounterVec
	phases     *prometheus.HistogramVec

	mu sync.Mutex
	// counted are the phases of machines on their way up that were counted: a pass with a stale
	// cache finds them to be reached again.
	counted map[client.ObjectKey]counted
}

type counted struct {
	uid    types.UID
	phases map[string]bool
}

// NewMetrics registers capom_placements_total by account and reason, capom_placement_refusals_total
// by reason, as in the condition Placed, capom_capacity_shortages_total by account, shape and
// reason, and capom_machine_phase_duration_seconds by account and phase. now is the start of the
// process.
func NewMetrics(registerer prometheus.Registerer, now time.Time) (*Metrics, error) {
	m := &Metrics{
		since: now, counted: map[client.ObjectKey]counted{},
		placements: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "capom_placements_total",
			Help: "Decisions where a machine is launched, by account and reason.",
		}, []string{"account", "reason"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "capom_placement_refusals_total",
			Help: "Decisions that a machine can be launched nowhere, by reason; one that stays is counted once.",
		}, []string{"reason"}),
		shortages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "capom_capacity_shortages_total",
			Help: "Launches that found no room, by account, shape and reason.",
		}, []string{"account", "shape", "reason"}),
		phases: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "capom_machine_phase_duration_seconds",
			Help: "Time that a machine took from the phase before to this one, by account; provisioned: of all phases together.",
			// From an answer of the API server to the life of a tailnet key.
			Buckets: []float64{1, 2, 5, 10, 20, 30, 60, 90, 120, 180, 300, 600, 1200, 3600},
		}, []string{"account", "phase"}),
	}
	for _, collector := range []prometheus.Collector{m.placements, m.refused, m.shortages, m.phases} {
		if err := registerer.Register(collector); err != nil {
			return nil, fmt.Errorf("registering the machines' metrics: %w", err)
		}
	}
	return m, nil
}

// short counts a launch without room.
func (m *Metrics) short(at infrav1.Placement, kind cloud.Kind) {
	if m != nil {
		m.shortages.WithLabelValues(at.Account, at.Shape, string(kind)).Inc()
	}
}

// forget drops a deleted machine.
func (m *Metrics) forget(key client.ObjectKey) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.counted, key)
}

// saved counts the changes of a pass, once they are written.
func (m *Metrics) saved(s *scope) {
	if m == nil || !s.own.DeletionTimestamp.IsZero() {
		return
	}
	account := s.own.Status.Placement.Account
	if reason := placedFor(s); reason != "" {
		m.placements.WithLabelValues(account, reason).Inc()
		m.begin(account)
	}
	if reason := refusedFor(s); reason != "" {
		m.refused.WithLabelValues(reason).Inc()
	}
	for _, reached := range phasesReached(s) {
		// Time without a watching process says nothing about the machine.
		if reached.began.After(m.since) && m.isFirst(s.own, reached.phase) {
			m.phases.WithLabelValues(account, reached.phase).Observe(max(0, reached.ended.Sub(reached.began)).Seconds())
		}
	}
	if s.provisionedForGood() {
		m.forget(client.ObjectKeyFromObject(s.own))
	}
}

// begin makes the series of the phases to come: a rate counts from the first sample of a series on,
// and the first machine would be none.
func (m *Metrics) begin(account string) {
	m.phases.WithLabelValues(account, phaseRunning)
	m.phases.WithLabelValues(account, phaseJoined)
	m.phases.WithLabelValues(account, phaseProvisioned)
}

func (m *Metrics) isFirst(own *infrav1.OCIMeshMachine, phase string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := client.ObjectKeyFromObject(own)
	known, ok := m.counted[key]
	if !ok || known.uid != own.UID {
		known = counted{uid: own.UID, phases: map[string]bool{}}
		m.counted[key] = known
	}
	if known.phases[phase] {
		return false
	}
	known.phases[phase] = true
	return true
}

// placedFor is why the pass has placed the machine, in one word; empty if it has not.
func placedFor(s *scope) string {
	before, after := s.before.Status.Placement, s.own.Status.Placement
	shape := 0
	for i := range s.own.Spec.Shapes {
		if s.own.Spec.Shapes[i].Name == after.Shape {
			shape = i
			break
		}
	}
	switch {
	case after.Account == "", after.Attempt == before.Attempt && after.Account == before.Account, s.launched():
		return ""
	case s.machine.Spec.FailureDomain != "":
		return placedByFailureDomain
	case shape > 0:
		return placedInOtherShape
	case after.Attempt > 1:
		return placedAfterAnotherTry
	}
	return placedBySpread
}

// refusedFor is why the machine has no place since this pass; empty if it has, or had none before
// for the same reason.
func refusedFor(s *scope) string {
	reason := report.WithoutPlace(s.own)
	if s.launched() || reason == report.WithoutPlace(s.before) {
		return ""
	}
	return reason
}

// reached is a phase at its end.
type reached struct {
	phase        string
	began, ended time.Time
}

// phasesReached are the phases that ended in this pass. Times are those of the objects and
// conditions, and so the same for every process. A machine with a lost status, and one already
// provisioned, reaches nothing.
func phasesReached(s *scope) []reached {
	before, after := s.before.Status, s.own.Status
	if s.before.Spec.ProviderID != "" || before.Placement.Account == "" {
		return nil
	}
	var all []reached
	add := func(phase string, began, ended time.Time) {
		if !began.IsZero() {
			all = append(all, reached{phase, began, ended})
		}
	}
	if before.Instance.ID == "" && after.Instance.ID != "" {
		placed := trueSince(s.before, infrav1.PlacedCondition)
		if !placed.IsZero() {
			// Counted with the launch, since there is only one: a place given up again counts as
			// time without a place.
			add(phasePlaced, s.couldBeginAt(), placed)
		}
		add(phaseLaunched, placed, s.now)
	}
	running := string(oci.StateRunning)
	if s.instance != nil && before.Instance.State != running && after.Instance.State == running && before.Instance.PrivateIP == "" {
		add(phaseRunning, s.instance.CreatedAt, s.now)
	}
	if before.Tailnet.DeviceID == "" && after.Tailnet.DeviceID != "" {
		add(phaseJoined, trueSince(s.own, infrav1.InstanceReadyCondition), s.now)
	}
	if s.provisionedForGood() {
		add(phaseProvisioned, s.couldBeginAt(), s.now)
	}
	return all
}

// couldBeginAt is since when there was something to do: the machine's own existence and its
// bootstrap data's.
func (s *scope) couldBeginAt() time.Time {
	began := s.own.CreationTimestamp.Time
	if data := trueSince(s.machine, clusterv1.MachineBootstrapConfigReadyCondition); data.After(began) {
		return data
	}
	return began
}

// trueSince is when a condition became True; zero if it is not.
func trueSince(object conditions.Getter, condition string) time.Time {
	if found := conditions.Get(object, condition); found != nil && found.Status == metav1.ConditionTrue {
		return found.LastTransitionTime.Time
	}
	return time.Time{}
}

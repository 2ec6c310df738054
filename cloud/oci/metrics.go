// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
)

// Metrics counts and times calls to OCI, for all accounts. No label holds an OCID: accounts and
// operations bound the number of series.
type Metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	held     *prometheus.CounterVec
	waits    *prometheus.CounterVec
	budget   *prometheus.GaugeVec
	circuit  *prometheus.GaugeVec
}

// NewMetrics registers the metrics: capom_oci_requests_total by account, service, operation and
// code ("OK" or a cloud.Kind); capom_oci_request_duration_seconds by account, service and
// operation; capom_oci_held_back_total by account, class (read, create, delete) and reason (budget,
// throttled, busy, circuit) and capom_oci_wait_seconds_total by account and class, of requests kept
// waiting for their turn; capom_oci_budget_per_second by account and class; and
// capom_oci_circuit_state by account and host: 0 closed, 1 half-open, 2 open.
func NewMetrics(registerer prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "capom_oci_requests_total",
			Help: "Requests to OCI by account, service, operation and result.",
		}, []string{"account", "service", "operation", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "capom_oci_request_duration_seconds",
			Help:    "Time until OCI answered, by account, service and operation.",
			Buckets: []float64{0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30},
		}, []string{"account", "service", "operation"}),
		held: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "capom_oci_held_back_total",
			Help: "Requests to OCI that were not sent at once, by account, class and reason.",
		}, []string{"account", "class", "reason"}),
		waits: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "capom_oci_wait_seconds_total",
			Help: "Time that requests to OCI waited for their turn, by account and class.",
		}, []string{"account", "class"}),
		budget: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "capom_oci_budget_per_second",
			Help: "Requests per second that an account is asked for at present, by account and class.",
		}, []string{"account", "class"}),
		circuit: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "capom_oci_circuit_state",
			Help: "Whether requests are sent to an account's host: 0 all, 1 one at a time, 2 none.",
		}, []string{"account", "host"}),
	}
	for _, collector := range []prometheus.Collector{m.requests, m.duration, m.held, m.waits, m.budget, m.circuit} {
		if err := registerer.Register(collector); err != nil {
			return nil, fmt.Errorf("registering OCI metrics: %w", err)
		}
	}
	return m, nil
}

func (m *Metrics) heldBack(account string, of class, reason string) {
	if m != nil {
		m.held.WithLabelValues(account, string(of), reason).Inc()
	}
}

func (m *Metrics) waited(account string, of class, wait time.Duration) {
	if m != nil {
		m.waits.WithLabelValues(account, string(of)).Add(wait.Seconds())
	}
}

func (m *Metrics) gate(account string, p pass, perSecond, state float64) {
	if m != nil {
		m.budget.WithLabelValues(account, string(p.class)).Set(perSecond)
		m.circuit.WithLabelValues(account, p.host).Set(state)
	}
}

func (m *Metrics) observe(account string, op operation, err error, duration time.Duration) {
	if m == nil {
		return
	}
	m.requests.WithLabelValues(account, op.service, op.name, resultOf(err)).Inc()
	m.duration.WithLabelValues(account, op.service, op.name).Observe(duration.Seconds())
}

// resultOf is a call's result in one word.
func resultOf(err error) string {
	switch {
	case err == nil:
		return "OK"
	case errors.Is(err, context.Canceled):
		return "Canceled"
	}
	return string(cloud.KindOf(err))
}

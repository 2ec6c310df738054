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

// Metrics counts and times calls to OCI, for all accounts. No label holds an OCID, so that the number of series is bounded by
// accounts and operations.
type Metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

// NewMetrics registers the metrics: capom_oci_requests_total by account, service, operation and code ("OK" or a cloud.Kind),
// and capom_oci_request_duration_seconds by service and operation.
func NewMetrics(registerer prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "capom_oci_requests_total",
			Help: "Requests to OCI by account, service, operation and result.",
		}, []string{"account", "service", "operation", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "capom_oci_request_duration_seconds",
			Help:    "Time until OCI answered, by service and operation.",
			Buckets: []float64{0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30},
		}, []string{"service", "operation"}),
	}
	for _, collector := range []prometheus.Collector{m.requests, m.duration} {
		if err := registerer.Register(collector); err != nil {
			return nil, fmt.Errorf("registering OCI metrics: %w", err)
		}
	}
	return m, nil
}

// Forget drops the series of an account that is gone.
func (m *Metrics) Forget(account string) {
	if m != nil {
		m.requests.DeletePartialMatch(prometheus.Labels{"account": account})
	}
}

func (m *Metrics) observe(account string, op operation, err error, duration time.Duration) {
	if m == nil {
		return
	}
	m.requests.WithLabelValues(account, op.service, op.name, resultOf(err)).Inc()
	m.duration.WithLabelValues(op.service, op.name).Observe(duration.Seconds())
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

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics counts the calls to one tailnet. A nil one counts nothing.
type metrics struct {
	tailnet        string
	requests, held *prometheus.CounterVec
}

// newMetrics registers capom_tailnet_requests_total by tailnet, operation and code, and
// capom_tailnet_held_back_total by tailnet, operation and reason (busy, circuit), or finds them
// registered by another tailnet's client.
func newMetrics(registerer prometheus.Registerer, tailnet string) (*metrics, error) {
	if registerer == nil {
		return nil, nil
	}
	m := &metrics{tailnet: tailnet}
	for _, counter := range []struct {
		to     **prometheus.CounterVec
		opts   prometheus.CounterOpts
		labels []string
	}{
		{&m.requests, prometheus.CounterOpts{
			Name: "capom_tailnet_requests_total",
			Help: "Requests to the control servers of tailnets, by tailnet, operation and HTTP status (error: no answer).",
		}, []string{"tailnet", "operation", "code"}},
		{&m.held, prometheus.CounterOpts{
			Name: "capom_tailnet_held_back_total",
			Help: "Requests to the control servers of tailnets that were not sent, by tailnet, operation and reason.",
		}, []string{"tailnet", "operation", "reason"}},
	} {
		var err error
		if *counter.to, err = register(registerer, counter.opts, counter.labels); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func register(registerer prometheus.Registerer, opts prometheus.CounterOpts, labels []string) (*prometheus.CounterVec, error) {
	counter := prometheus.NewCounterVec(opts, labels)
	err := registerer.Register(counter)
	var already prometheus.AlreadyRegisteredError
	if errors.As(err, &already) {
		if existing, ok := already.ExistingCollector.(*prometheus.CounterVec); ok {
			return existing, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("registering %s: %w", opts.Name, err)
	}
	return counter, nil
}

func (m *metrics) request(operation, code string) {
	if m != nil {
		m.requests.WithLabelValues(m.tailnet, operation, code).Inc()
	}
}

func (m *metrics) heldBack(operation, reason string) {
	if m != nil {
		m.held.WithLabelValues(m.tailnet, operation, reason).Inc()
	}
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package poller

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
)

// Metrics tell how old what is known of each account is.
type Metrics struct {
	polls    *prometheus.CounterVec
	duration *prometheus.HistogramVec
	last     *prometheus.GaugeVec
}

// NewMetrics registers capom_feed_polls_total by account and code ("OK" or a cloud.Kind),
// capom_feed_poll_duration_seconds by account, and capom_feed_last_poll_timestamp_seconds by
// account, the beginning of the last complete poll: the age of what is known is the time since.
func NewMetrics(registerer prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		polls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "capom_feed_polls_total",
			Help: "Polls of an account's instances by account and result.",
		}, []string{"account", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "capom_feed_poll_duration_seconds",
			Help:    "Time from the first page of an account's instances to the last, by account.",
			Buckets: []float64{0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60},
		}, []string{"account"}),
		last: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "capom_feed_last_poll_timestamp_seconds",
			Help: "When the last complete poll of an account's instances was begun, in seconds since 1970.",
		}, []string{"account"}),
	}
	for _, collector := range []prometheus.Collector{m.polls, m.duration, m.last} {
		if err := registerer.Register(collector); err != nil {
			return nil, fmt.Errorf("registering the pollers' metrics: %w", err)
		}
	}
	return m, nil
}

func (m *Metrics) polled(account string, err error, duration time.Duration, began time.Time) {
	if m == nil {
		return
	}
	code := "OK"
	if err != nil {
		code = string(cloud.KindOf(err))
	}
	m.polls.WithLabelValues(account, code).Inc()
	m.duration.WithLabelValues(account).Observe(duration.Seconds())
	if err == nil {
		m.last.WithLabelValues(account).Set(float64(began.UnixMilli()) / 1000)
	}
}

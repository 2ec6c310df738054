// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"testing"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
)

// left is how many series each metric has.
func left(t *testing.T, registry *prometheus.Registry) map[string]int {
	t.Helper()
	families, err := registry.Gather()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	found := map[string]int{}
	for _, family := range families {
		found[family.GetName()] = len(family.GetMetric())
	}
	return found
}

func TestTheSeriesOfWhatIsGoneAreDroppedFromAllMetrics(t *testing.T) {
	g := NewWithT(t)
	registry := prometheus.NewRegistry()
	series := NewSeries(registry)
	calls := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "calls", Help: "-"}, []string{"account", "code"})
	times := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "times", Help: "-"}, []string{"code", "account"})
	state := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "state", Help: "-"}, []string{"tailnet"})
	reasons := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "reasons", Help: "-"}, []string{"reason"})
	series.MustRegister(calls, times, state, reasons)
	for _, name := range []string{"alice", "bob"} {
		calls.WithLabelValues(name, "OK").Inc()
		calls.WithLabelValues(name, "Unavailable").Inc()
		times.WithLabelValues("OK", name).Observe(1)
		state.WithLabelValues(name).Set(1)
	}
	reasons.WithLabelValues("alice").Inc()

	series.ForgetAccount("alice")

	g.Expect(left(t, registry)).To(Equal(map[string]int{"calls": 2, "times": 1, "state": 2, "reasons": 1}))
	series.ForgetTailnet("alice")
	g.Expect(left(t, registry)).To(Equal(map[string]int{"calls": 2, "times": 1, "state": 1, "reasons": 1}))
}

func TestMetricsThatAreRegisteredTwiceAreRefused(t *testing.T) {
	g := NewWithT(t)
	series := NewSeries(prometheus.NewRegistry())
	counter := func() prometheus.Collector {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "calls", Help: "-"}, []string{"account"})
	}
	g.Expect(series.Register(counter())).To(Succeed())

	err := series.Register(counter())

	g.Expect(err).To(BeAssignableToTypeOf(prometheus.AlreadyRegisteredError{}))
	g.Expect(series.vectors).To(HaveLen(1))
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// Series is where all metrics are registered. It drops the series of accounts and tailnets that are
// gone, of whatever metrics: those need not know. A nil Series has nothing to drop.
type Series struct {
	prometheus.Registerer

	mu      sync.Mutex
	vectors []vector
}

// vector is what all vectors of metrics can do.
type vector interface {
	DeletePartialMatch(prometheus.Labels) int
}

// NewSeries registers metrics with the registerer.
func NewSeries(registerer prometheus.Registerer) *Series {
	return &Series{Registerer: registerer}
}

// Register registers the metrics, and remembers vectors.
func (s *Series) Register(collector prometheus.Collector) error {
	if err := s.Registerer.Register(collector); err != nil {
		return err
	}
	if v, ok := collector.(vector); ok {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.vectors = append(s.vectors, v)
	}
	return nil
}

// MustRegister is Register that panics.
func (s *Series) MustRegister(collectors ...prometheus.Collector) {
	for _, collector := range collectors {
		if err := s.Register(collector); err != nil {
			panic(err)
		}
	}
}

// ForgetAccount drops the series of an account that is gone.
func (s *Series) ForgetAccount(name string) { s.forget(prometheus.Labels{"account": name}) }

// ForgetTailnet drops the series of a tailnet that is gone.
func (s *Series) ForgetTailnet(name string) { s.forget(prometheus.Labels{"tailnet": name}) }

// forget drops the series with the label. Vectors without it match nothing.
func (s *Series) forget(of prometheus.Labels) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.vectors {
		v.DeletePartialMatch(of)
	}
}

// registerer is nil without a Series.
func (s *Series) registerer() prometheus.Registerer {
	if s == nil {
		return nil
	}
	return s
}

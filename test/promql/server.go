// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

// server is a Prometheus without its web pages.
type server struct {
	database *tsdb.DB
	engine   *promql.Engine
	scraper  *scrape.Manager
	begun    time.Time
	// pace is how much faster than ours Prometheus' clock runs.
	pace int64
	// every is the time between scrapes, by our clock.
	every  time.Duration
	folder string
}

// start has a Prometheus scrape as a configuration says, at a pace.
func start(configuration string, pace int64) (*server, error) {
	logger := promslog.NewNopLogger()
	loaded, err := config.Load(configuration, logger)
	if err != nil {
		return nil, fmt.Errorf("load the configuration: %w", err)
	}
	s := &server{begun: time.Now(), pace: pace, every: time.Duration(loaded.GlobalConfig.ScrapeInterval)}
	if s.folder, err = os.MkdirTemp("", "promql"); err != nil {
		return nil, err
	}
	if s.database, err = tsdb.Open(s.folder, logger, prometheus.NewRegistry(), tsdb.DefaultOptions(), nil); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.folder))
	}
	s.engine = promql.NewEngine(promql.EngineOpts{
		Logger: logger, MaxSamples: 1e6, Timeout: deadline, Parser: parser.NewParser(parser.Options{}),
		NoStepSubqueryIntervalFn: func(int64) int64 { return time.Minute.Milliseconds() },
	})
	options := &scrape.Options{DiscoveryReloadInterval: 1}
	if s.scraper, err = scrape.NewManager(options, logger, nil, nil, s, prometheus.NewRegistry()); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if err := s.scraper.ApplyConfig(loaded); err != nil {
		return nil, errors.Join(err, s.close())
	}
	targets := make(chan map[string][]*targetgroup.Group, 1)
	targets <- staticTargets(loaded)
	go func() { _ = s.scraper.Run(targets) }()
	return s, nil
}

func staticTargets(loaded *config.Config) map[string][]*targetgroup.Group {
	all := map[string][]*targetgroup.Group{}
	for _, job := range loaded.ScrapeConfigs {
		for _, discovered := range job.ServiceDiscoveryConfigs {
			if static, ok := discovered.(discovery.StaticConfig); ok {
				all[job.JobName] = append(all[job.JobName], static...)
			}
		}
	}
	return all
}

func (s *server) close() error {
	if s.scraper != nil {
		s.scraper.Stop()
	}
	return errors.Join(s.database.Close(), os.RemoveAll(s.folder))
}

// now is Prometheus' time: s.begun, and what has passed since, at its pace.
func (s *server) now() time.Time { return s.at(time.Now()) }

func (s *server) at(t time.Time) time.Time {
	return s.begun.Add(time.Duration(s.pace) * t.Sub(s.begun))
}

// AppenderV2 stores what is scraped at Prometheus' time.
func (s *server) AppenderV2(ctx context.Context) storage.AppenderV2 {
	return fast{s.database.AppenderV2(ctx), s}
}

type fast struct {
	storage.AppenderV2
	server *server
}

// Append is AppenderV2's.
func (f fast) Append(
	ref storage.SeriesRef, series labels.Labels, started, t int64, value float64, h *histogram.Histogram, fh *histogram.FloatHistogram,
	options storage.AppendV2Options,
) (storage.SeriesRef, error) {
	return f.AppenderV2.Append(ref, series, started, f.server.at(time.UnixMilli(t)).UnixMilli(), value, h, fh, options)
}

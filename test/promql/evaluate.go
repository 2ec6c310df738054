// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

const (
	// pace is how much faster than ours Prometheus' clock runs here: an alert that looks back for
	// an hour in steps of minutes needs that much of a past.
	pace = 60
	// deadline is for all queries together, on a machine that has other things to do.
	deadline = 5 * time.Minute
	look     = 500 * time.Millisecond
)

// task is what evaluate reads: a prometheus.yml with static targets, and queries.
type task struct {
	Configuration string `json:"configuration"`
	Queries       []struct {
		Expression string `json:"expression"`
		// AnyValue lets labels have other values than the query asks for.
		AnyValue bool `json:"anyValue"`
	} `json:"queries"`
	// Absent are expressions that must find nothing.
	Absent []string `json:"absent"`
}

// finding is what evaluate writes: for each query the parts that found no series.
type finding struct {
	Missing [][]string `json:"missing"`
	Present []string   `json:"present"`
}

// server is a Prometheus without its web pages.
type server struct {
	database *tsdb.DB
	engine   *promql.Engine
	scraper  *scrape.Manager
	begun    time.Time
	folder   string
}

func evaluateAll(in io.Reader, out io.Writer) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	var asks task
	if err := json.NewDecoder(in).Decode(&asks); err != nil {
		return fmt.Errorf("read the task: %w", err)
	}
	s, err := start(asks.Configuration)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()

	found := finding{Missing: make([][]string, len(asks.Queries))}
	for i, query := range asks.Queries {
		if found.Missing[i], err = asked(query.Expression); err != nil {
			return err
		}
	}
	for left := true; left && ctx.Err() == nil; {
		left = false
		for i, query := range asks.Queries {
			if found.Missing[i], err = s.without(found.Missing[i], query.AnyValue); err != nil {
				return err
			}
			left = left || len(found.Missing[i]) > 0
		}
		select {
		case <-ctx.Done():
		case <-time.After(look):
		}
	}
	for _, expression := range asks.Absent {
		if n, err := s.series(expression); err != nil || n > 0 {
			found.Present = append(found.Present, expression)
		}
	}
	return json.NewEncoder(out).Encode(found)
}

// without are those of the expressions that have no series.
func (s *server) without(expressions []string, anyValue bool) (left []string, err error) {
	for _, expression := range expressions {
		n, err := s.series(expression)
		if err == nil && n == 0 && anyValue {
			var relaxed string
			if relaxed, err = ofAnyValue(expression); err == nil {
				n, err = s.series(relaxed)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", expression, err)
		}
		if n == 0 {
			left = append(left, expression)
		}
	}
	return left, nil
}

func (s *server) series(expression string) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	query, err := s.engine.NewInstantQuery(ctx, s.database, nil, expression, s.now())
	if err != nil {
		return 0, err
	}
	defer query.Close()
	result := query.Exec(ctx)
	if result.Err != nil {
		return 0, result.Err
	}
	switch value := result.Value.(type) {
	case promql.Vector:
		return len(value), nil
	case promql.Matrix:
		return len(value), nil
	}
	return 1, nil
}

func start(configuration string) (*server, error) {
	logger := promslog.NewNopLogger()
	loaded, err := config.Load(configuration, logger)
	if err != nil {
		return nil, fmt.Errorf("load the configuration: %w", err)
	}
	s := &server{begun: time.Now()}
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

func (s *server) at(t time.Time) time.Time { return s.begun.Add(pace * t.Sub(s.begun)) }

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

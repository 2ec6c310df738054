// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"time"
)

const (
	// unhurried is the pace of draw: rates are those that a Grafana would show.
	unhurried = 1
	// mostPoints is how many steps a curve has at most.
	mostPoints = 150
)

// drawing is what draw reads: a prometheus.yml with static targets, and dashboards.
type drawing struct {
	Configuration string `json:"configuration"`
	// Dashboards are as Grafana reads them, but with values for their variables, by the name that
	// the picture's file gets.
	Dashboards map[string]dashboard `json:"dashboards"`
	// Longest is how long is recorded if the input does not end before, in Go's notation.
	Longest string `json:"longest"`
	// Folder is where the pictures are written.
	Folder string `json:"folder"`
}

// drawn is what draw writes: the titles of the panels without data, by dashboard.
type drawn struct {
	Empty map[string][]string `json:"empty"`
}

// span is the time that panels show, and the time between two points.
type span struct {
	from, to time.Time
	step     time.Duration
}

func drawAll(in io.Reader, out io.Writer) (err error) {
	var asks drawing
	if err := json.NewDecoder(in).Decode(&asks); err != nil {
		return fmt.Errorf("read the task: %w", err)
	}
	longest, err := time.ParseDuration(asks.Longest)
	if err != nil {
		return fmt.Errorf("read longest: %w", err)
	}
	for name, each := range asks.Dashboards {
		if err := each.check(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := os.MkdirAll(asks.Folder, 0o755); err != nil {
		return err
	}
	s, err := start(asks.Configuration, unhurried)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := untilEnd(in, longest); err != nil {
		return err
	}

	said, over := drawn{Empty: map[string][]string{}}, s.span()
	for name, each := range asks.Dashboards {
		if err := s.fill(each, over); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := os.WriteFile(filepath.Join(asks.Folder, name+".svg"), []byte(picture(each, over)), 0o644); err != nil {
			return err
		}
		said.Empty[name] = each.empty()
	}
	return json.NewEncoder(out).Encode(said)
}

// untilEnd waits for the end of the input. Other than a signal it needs no process id, comes
// through whatever program started this one, and comes too when that is gone.
func untilEnd(in io.Reader, longest time.Duration) error {
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, in)
		ended <- err
	}()
	select {
	case err := <-ended:
		return err
	case <-time.After(longest):
		return nil
	}
}

// span is all that was recorded. Points are not nearer to each other than scrapes.
func (s *server) span() span {
	over := span{from: s.begun, to: s.now()}
	over.step = max(s.every, over.to.Sub(over.from)/mostPoints)
	return over
}

// fill asks for the data of a dashboard's panels.
func (s *server) fill(d dashboard, over span) error {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	for i := range d.Panels {
		p := &d.Panels[i]
		for _, target := range p.Targets {
			found, err := s.over(ctx, over, target.Expr, target.LegendFormat)
			if err != nil {
				return fmt.Errorf("%s: %s: %w", p.Title, target.Expr, err)
			}
			p.found = append(p.found, found...)
		}
	}
	return nil
}

// over are an expression's series with a point that can be drawn.
func (s *server) over(ctx context.Context, over span, expression, format string) ([]series, error) {
	query, err := s.engine.NewRangeQuery(ctx, s.database, nil, expression, over.from, over.to, over.step)
	if err != nil {
		return nil, err
	}
	// The points are the query's until then.
	defer query.Close()
	matrix, err := query.Exec(ctx).Matrix()
	if err != nil {
		return nil, err
	}
	var all []series
	for _, each := range matrix {
		found := series{name: legend(format, each.Metric)}
		for _, of := range each.Floats {
			if !math.IsNaN(of.F) && !math.IsInf(of.F, 0) {
				found.points = append(found.points, point{at: of.T, value: of.F})
			}
		}
		if len(found.points) > 0 {
			all = append(all, found)
		}
	}
	return all, nil
}

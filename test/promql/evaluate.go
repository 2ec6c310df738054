// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/prometheus/prometheus/promql"
)

const (
	// hurried is the pace of evaluate: an alert that looks back for an hour in steps of minutes
	// needs that much of a past.
	hurried = 60
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

func evaluateAll(in io.Reader, out io.Writer) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	var asks task
	if err := json.NewDecoder(in).Decode(&asks); err != nil {
		return fmt.Errorf("read the task: %w", err)
	}
	s, err := start(asks.Configuration, hurried)
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

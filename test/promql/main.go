// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Command promql parses PromQL expressions with Prometheus' own parser: a JSON list of texts in, a
// JSON list of their metrics and labels out. It is a module of its own: nothing of Prometheus'
// server is among the provider's requirements.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// answer is an expression's metrics and labels, or the parser's error.
type answer struct {
	Error     string     `json:"error,omitempty"`
	Selectors []selector `json:"selectors"`
}

// selector names a metric and its labels according to the expression: in matchers, and in the
// groupings around it.
type selector struct {
	Metric string   `json:"metric"`
	Labels []string `json:"labels"`
}

func main() {
	var expressions []string
	if err := json.NewDecoder(os.Stdin).Decode(&expressions); err != nil {
		fmt.Fprintln(os.Stderr, "promql: reading the expressions:", err)
		os.Exit(1)
	}
	answers := make([]answer, 0, len(expressions))
	for _, expression := range expressions {
		answers = append(answers, parse(expression))
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		fmt.Fprintln(os.Stderr, "promql: writing the answers:", err)
		os.Exit(1)
	}
}

func parse(expression string) answer {
	parsed, err := parser.NewParser(parser.Options{}).ParseExpr(expression)
	if err != nil {
		return answer{Error: err.Error()}
	}
	out := answer{}
	parser.Inspect(parsed, func(node parser.Node, ancestors []parser.Node) error {
		of, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		found := selector{Metric: of.Name, Labels: []string{}}
		for _, matcher := range of.LabelMatchers {
			if matcher.Name != labels.MetricName {
				found.Labels = append(found.Labels, matcher.Name)
			}
		}
		for _, ancestor := range ancestors {
			if aggregate, ok := ancestor.(*parser.AggregateExpr); ok && !aggregate.Without {
				found.Labels = append(found.Labels, aggregate.Grouping...)
			}
		}
		slices.Sort(found.Labels)
		found.Labels = slices.Compact(found.Labels)
		out.Selectors = append(out.Selectors, found)
		return nil
	})
	return out
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Command promql does with Prometheus' own code what the suite observability and the lab need of
// it. It is a module of its own: nothing of Prometheus' server is among the provider's
// requirements.
//
//	promql            parses expressions: a JSON list of texts in, of their metrics and labels out
//	promql evaluate   scrapes as a configuration says, and evaluates expressions on what it got
//	promql draw       scrapes until its input ends, and draws dashboards of what it got, as SVG
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/prometheus/common/model"
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

var expressions = parser.NewParser(parser.Options{})

func main() {
	work := parseAll
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "evaluate":
			work = evaluateAll
		case "draw":
			work = drawAll
		}
	}
	if err := work(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "promql:", err)
		os.Exit(1)
	}
}

func parseAll(in io.Reader, out io.Writer) error {
	var texts []string
	if err := json.NewDecoder(in).Decode(&texts); err != nil {
		return fmt.Errorf("read the expressions: %w", err)
	}
	answers := make([]answer, 0, len(texts))
	for _, expression := range texts {
		answers = append(answers, parse(expression))
	}
	return json.NewEncoder(out).Encode(answers)
}

func parse(expression string) answer {
	parsed, err := expressions.ParseExpr(expression)
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
			if matcher.Name != model.MetricNameLabel {
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

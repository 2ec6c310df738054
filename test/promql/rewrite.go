// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// asked are the expressions that must have series each, if the query can ever say anything: both
// sides of "and" and "or", without comparisons, and each metric by itself, which another one beside
// it would hide.
func asked(query string) ([]string, error) {
	parsed, err := expressions.ParseExpr(query)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, side := range sides(parsed) {
		all = append(all, uncompared(side).String())
	}
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		if selector, ok := node.(*parser.VectorSelector); ok {
			alone := *selector
			alone.OriginalOffset, alone.Timestamp = 0, nil
			all = append(all, alone.String())
		}
		return nil
	})
	return all, nil
}

func sides(expression parser.Expr) []parser.Expr {
	switch e := expression.(type) {
	case *parser.ParenExpr:
		return sides(e.Expr)
	case *parser.BinaryExpr:
		if e.Op.IsSetOperator() {
			return append(sides(e.LHS), sides(e.RHS)...)
		}
	}
	return []parser.Expr{expression}
}

// uncompared takes comparisons with numbers away, in place, and gives what is left.
func uncompared(expression parser.Expr) parser.Expr {
	switch e := expression.(type) {
	case *parser.ParenExpr:
		e.Expr = uncompared(e.Expr)
	case *parser.AggregateExpr:
		e.Expr = uncompared(e.Expr)
	case *parser.SubqueryExpr:
		e.Expr = uncompared(e.Expr)
	case *parser.UnaryExpr:
		e.Expr = uncompared(e.Expr)
	case *parser.Call:
		for i := range e.Args {
			e.Args[i] = uncompared(e.Args[i])
		}
	case *parser.BinaryExpr:
		if _, number := e.RHS.(*parser.NumberLiteral); number && e.Op.IsComparisonOperator() {
			return uncompared(e.LHS)
		}
		e.LHS, e.RHS = uncompared(e.LHS), uncompared(e.RHS)
	}
	return expression
}

// ofAnyValue asks for the labels that an expression asks for, whatever their values: nothing of
// what an alert waits for has happened where all is well.
func ofAnyValue(expression string) (string, error) {
	parsed, err := expressions.ParseExpr(expression)
	if err != nil {
		return "", err
	}
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		selector, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		for i, matcher := range selector.LabelMatchers {
			if matcher.Name != model.MetricNameLabel && matcher.Name != "job" {
				selector.LabelMatchers[i] = labels.MustNewMatcher(labels.MatchNotEqual, matcher.Name, "")
			}
		}
		return nil
	})
	return parsed.String(), nil
}

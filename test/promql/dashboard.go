// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/prometheus/prometheus/model/labels"
)

// dashboard is as much of a dashboard of Grafana's as is drawn.
type dashboard struct {
	Title  string
	Panels []panel
}

type panel struct {
	Type, Title string
	GridPos     struct{ H, W, X, Y float64 }
	FieldConfig struct {
		Defaults struct {
			Unit       string
			Thresholds struct{ Steps []threshold }
			Custom     struct {
				FillOpacity float64
				Stacking    struct{ Mode string }
			}
		}
	}
	Targets []struct{ Expr, LegendFormat string }
	// found are the targets' series, once they are asked for.
	found []series
}

// threshold gives values a colour from its own value on; the first has none.
type threshold struct {
	Color string
	Value *float64
}

// series is a curve with its name in the legend.
type series struct {
	name   string
	points []point
}

// point is a value at a time in milliseconds. low is where its area begins.
type point struct {
	at         int64
	low, value float64
}

// check says what of a dashboard cannot be drawn.
func (d dashboard) check() error {
	var all []error
	for _, p := range d.Panels {
		shows := p.FieldConfig.Defaults
		if p.Type != "timeseries" && p.Type != "stat" {
			all = append(all, fmt.Errorf("%s: panels of type %q are not drawn here yet", p.Title, p.Type))
		}
		if units[shows.Unit] == nil {
			all = append(all, fmt.Errorf("%s: add the unit %q to units", p.Title, shows.Unit))
		}
		for _, step := range shows.Thresholds.Steps {
			if named[step.Color] == "" {
				all = append(all, fmt.Errorf("%s: add the colour %q to named", p.Title, step.Color))
			}
		}
	}
	return errors.Join(all...)
}

// empty are the titles of the panels without data.
func (d dashboard) empty() (titles []string) {
	for _, p := range d.Panels {
		if len(p.found) == 0 {
			titles = append(titles, p.Title)
		}
	}
	return titles
}

// curves are a panel's series, on top of each other where they are stacked.
func (p panel) curves() []series {
	if p.FieldConfig.Defaults.Custom.Stacking.Mode != "normal" {
		return p.found
	}
	total := map[int64]float64{}
	all := make([]series, 0, len(p.found))
	for _, each := range p.found {
		raised := series{name: each.name}
		for _, of := range each.points {
			low := total[of.at]
			total[of.at] += of.value
			raised.points = append(raised.points, point{at: of.at, low: low, value: total[of.at]})
		}
		all = append(all, raised)
	}
	return all
}

// reference is one to a label, in a legend.
var reference = regexp.MustCompile(`\{\{\s*(\w+)\s*\}\}`)

func legend(format string, of labels.Labels) string {
	return reference.ReplaceAllStringFunc(format, func(found string) string {
		return of.Get(reference.FindStringSubmatch(found)[1])
	})
}

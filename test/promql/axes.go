// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math"
	"strconv"
	"time"
)

// scale is how numbers of a unit are written from a size on.
type scale struct {
	per    float64
	suffix string
}

// units are Grafana's, of the dashboards in config/observability.
var units = map[string][]scale{
	"short":       {{1, ""}, {1e3, " K"}, {1e6, " M"}},
	"s":           {{1, " s"}, {1e-6, " µs"}, {1e-3, " ms"}, {1, " s"}, {60, " min"}, {3600, " h"}},
	"percentunit": {{0.01, " %"}},
	"bytes":       {{1, " B"}, {1 << 10, " KiB"}, {1 << 20, " MiB"}, {1 << 30, " GiB"}},
	"Bps":         {{1, " B/s"}, {1e3, " kB/s"}, {1e6, " MB/s"}, {1e9, " GB/s"}},
	"pps":         {{1, " p/s"}, {1e3, " kp/s"}, {1e6, " Mp/s"}},
}

// scaleOf is the largest of a unit's that a value fills, and its first for nothing.
func scaleOf(unit string, value float64) scale {
	found := units[unit][0]
	for _, each := range units[unit] {
		if each.per <= value {
			found = each
		}
	}
	return found
}

// written is a value with its unit.
func written(unit string, value float64) string {
	by := scaleOf(unit, math.Abs(value))
	return strconv.FormatFloat(math.Round(value/by.per*100)/100, 'f', -1, 64) + by.suffix
}

// axis is a vertical one from 0 on, where all panels of the dashboards begin.
type axis struct {
	top   float64
	ticks []tick
}

// tick is a value of an axis and what is written beside it.
type tick struct {
	value float64
	text  string
}

// axisOf has about four steps of 1, 2 or 5 up to a value.
func axisOf(unit string, top float64) axis {
	if top <= 0 {
		top = 1
	}
	by := scaleOf(unit, top)
	step := nice(top / by.per / 4)
	// A little less than the top is enough: quotients are not exact.
	steps := int(math.Ceil(top/by.per/step - 1e-9))
	digits := max(0, -int(math.Floor(math.Log10(step)+1e-9)))
	out := axis{top: float64(steps) * step * by.per}
	for i := range steps + 1 {
		value := float64(i) * step
		out.ticks = append(out.ticks, tick{value * by.per, strconv.FormatFloat(value, 'f', digits, 64) + by.suffix})
	}
	return out
}

// nice is the next number of 1, 2 and 5 with zeros.
func nice(least float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(least)))
	for _, each := range []float64{1, 2, 5} {
		if each*power >= least*(1-1e-9) {
			return each * power
		}
	}
	return 10 * power
}

// clocks are the times between two ticks of a time axis.
var clocks = []time.Duration{
	10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute,
	15 * time.Minute, 30 * time.Minute, time.Hour,
}

// timeTicks are the full minutes of a span, or whatever there are at most so many of. Their values
// are milliseconds.
func timeTicks(over span, most int) (ticks []tick) {
	step := clocks[len(clocks)-1]
	for _, each := range clocks {
		if over.to.Sub(over.from) <= each*time.Duration(most) {
			step = each
			break
		}
	}
	format := "15:04"
	if step < time.Minute {
		format = time.TimeOnly
	}
	for at := over.from.Truncate(step).Add(step); !at.After(over.to); at = at.Add(step) {
		ticks = append(ticks, tick{float64(at.UnixMilli()), at.UTC().Format(format)})
	}
	return ticks
}

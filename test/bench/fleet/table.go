// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/fleet"
)

// column is a figure of a result. target, if not empty, is the design's goal.
type column struct {
	name, unit, target string
	value              func(*result) float64
}

var columns = []column{
	{"machines", "", "", func(r *result) float64 { return float64(r.machines) }},
	{"accounts", "", "", func(r *result) float64 { return float64(r.accounts) }},
	{"floor", "s", "", func(r *result) float64 { return r.floor.Seconds() }},
	{"provisioned after", "s", "", func(r *result) float64 { return r.up.Wall.Seconds() }},
	{"times the floor", "", "1.2", func(r *result) float64 { return r.up.Wall.Seconds() / r.floor.Seconds() }},
	{"OCI calls per machine", "", "2.5", func(r *result) float64 { return r.each(fleet.Total(r.up.OCI)) }},
	{"429s", "", "", func(r *result) float64 {
		return float64(r.up.Throttled + r.rest.Throttled + r.notice.Throttled + r.down.Throttled)
	}},
	{"tailnet calls per machine", "", "", func(r *result) float64 { return r.each(fleet.Total(r.up.Tailnet)) }},
	{"API writes per machine", "", "", func(r *result) float64 { return r.each(r.up.Writes) }},
	{"API reads per machine", "", "", func(r *result) float64 { return r.each(r.up.Reads) }},
	{"CPU up", "s", "", func(r *result) float64 { return r.up.CPU.Seconds() }},
	{"CPU up per machine", "ms", "", func(r *result) float64 { return r.up.CPU.Seconds() * 1000 / float64(r.machines) }},
	{"OCI calls at rest", "/h", "", func(r *result) float64 { return r.hourly(fleet.Total(r.rest.OCI)) }},
	{"tailnet calls at rest", "/h", "", func(r *result) float64 { return r.hourly(fleet.Total(r.rest.Tailnet)) }},
	{"API writes at rest", "/h", "", func(r *result) float64 { return r.hourly(r.rest.Writes) }},
	{"CPU at rest", "s/h", "", func(r *result) float64 { return r.rest.CPU.Seconds() * float64(time.Hour) / float64(r.rest.Wall) }},
	{"lost", "", "", func(r *result) float64 { return float64(r.lost) }},
	{"all losses noticed after", "s", "60", func(r *result) float64 { return r.notice.Wall.Seconds() }},
	{"deleted after", "s", "", func(r *result) float64 { return r.down.Wall.Seconds() }},
	{"OCI calls per deletion", "", "", func(r *result) float64 { return r.each(fleet.Total(r.down.OCI)) }},
	{"tailnet calls per deletion", "", "", func(r *result) float64 { return r.each(fleet.Total(r.down.Tailnet)) }},
	{"CPU down", "s", "", func(r *result) float64 { return r.down.CPU.Seconds() }},
	{"left over", "", "0", func(r *result) float64 { return float64(r.leftover) }},
	{"peak memory", "MiB", "1024", func(r *result) float64 { return float64(r.peak) / (1 << 20) }},
	{"load average", "", "", func(r *result) float64 { return max(r.up.load, r.down.load) }},
}

func (r *result) each(n int) float64 { return float64(n) / float64(r.machines) }

func (r *result) hourly(n int) float64 { return float64(n) * float64(time.Hour) / float64(r.rest.Wall) }

// printTable has a row for each figure, since there are more of them than sizes.
func printTable(out io.Writer, results []*result) {
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', tabwriter.AlignRight)
	for _, c := range columns {
		fmt.Fprintf(table, "%s\t", c.name)
		for _, r := range results {
			fmt.Fprintf(table, "%s\t", number(c.value(r)))
		}
		fmt.Fprintf(table, "%s\t", c.unit)
		if c.target != "" {
			fmt.Fprintf(table, "target %s\t", c.target)
		}
		fmt.Fprintln(table)
	}
	_ = table.Flush()
}

// number has as many digits as are significant.
func number(value float64) string {
	switch {
	case value == float64(int64(value)) || value >= 1000:
		return strconv.FormatFloat(value, 'f', 0, 64)
	case value >= 100:
		return strconv.FormatFloat(value, 'f', 1, 64)
	}
	return strconv.FormatFloat(value, 'f', 2, 64)
}

// write writes all results so far.
func write(folder string, results []*result) error {
	rows, operations := [][]string{header()}, [][]string{{"machines", "phase", "service", "operation", "calls"}}
	for _, r := range results {
		row := []string{r.at.UTC().Format(time.RFC3339)}
		for _, c := range columns {
			row = append(row, number(c.value(r)))
		}
		rows = append(rows, row)
		for _, phase := range []struct {
			name string
			span span
		}{{"up", r.up}, {"rest", r.rest}, {"notice", r.notice}, {"down", r.down}} {
			for service, calls := range map[string]map[string]int{"oci": phase.span.OCI, "tailnet": phase.span.Tailnet} {
				for _, operation := range slices.Sorted(maps.Keys(calls)) {
					operations = append(operations, []string{
						strconv.Itoa(r.machines), phase.name, service, operation, strconv.Itoa(calls[operation]),
					})
				}
			}
		}
	}
	for name, content := range map[string][][]string{"fleet.csv": rows, "operations.csv": operations} {
		file, err := os.Create(filepath.Join(folder, name))
		if err != nil {
			return fmt.Errorf("write the results: %w", err)
		}
		err = csv.NewWriter(file).WriteAll(content)
		if e := file.Close(); err == nil {
			err = e
		}
		if err != nil {
			return fmt.Errorf("write the results: %w", err)
		}
	}
	return os.WriteFile(filepath.Join(folder, "fleet.svg"), []byte(plot(results)), 0o644)
}

func header() []string {
	names := []string{"at"}
	for _, c := range columns {
		name := c.name
		if c.unit != "" {
			name += " (" + c.unit + ")"
		}
		names = append(names, name)
	}
	return names
}

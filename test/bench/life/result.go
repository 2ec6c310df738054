// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/fleet"
)

// result is what a phase took. Calls are those to OCI.
type result struct {
	Endpoint     string         `json:"endpoint"`
	Phase        string         `json:"phase"`
	Calls        int            `json:"calls"`
	Operations   map[string]int `json:"operations"`
	TailnetCalls int            `json:"tailnetCalls"`
	APIWrites    int            `json:"apiWrites"`
	CPUSeconds   float64        `json:"cpuSeconds"`
	WallSeconds  float64        `json:"wallSeconds"`
	FloorSeconds float64        `json:"floorSeconds"`
}

// measure runs a phase.
func (l *life) measure(ctx context.Context, name string, floor time.Duration, run func(context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	use, err := l.Measure(bounded, run)
	if err != nil {
		return err
	}
	r := &result{
		Endpoint: string(l.endpoint), Phase: name, WallSeconds: use.Wall.Seconds(), FloorSeconds: floor.Seconds(), CPUSeconds: use.CPU.Seconds(),
		Calls: fleet.Total(use.OCI), Operations: use.OCI, TailnetCalls: fleet.Total(use.Tailnet), APIWrites: use.Writes,
	}
	l.results = append(l.results, r)
	fmt.Fprintf(os.Stderr, "%s %s: %d calls to OCI, %.1f s (floor %.1f s)\n", l.endpoint, name, r.Calls, r.WallSeconds, r.FloorSeconds)
	return nil
}

// printJSON writes an object a line.
func printJSON(out io.Writer, results []*result) error {
	encoder := json.NewEncoder(out)
	for _, r := range results {
		if err := encoder.Encode(r); err != nil {
			return fmt.Errorf("write the results: %w", err)
		}
	}
	return nil
}

// printTables writes a row a phase, and then the calls by operation.
func printTables(out io.Writer, results []*result) {
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "endpoint\tphase\tOCI calls\ttailnet calls\tAPI writes\tCPU s\twall s\tfloor s\ttimes\t")
	for _, r := range results {
		fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%d\t%.2f\t%.1f\t%.1f\t%.2f\t\n",
			r.Endpoint, r.Phase, r.Calls, r.TailnetCalls, r.APIWrites, r.CPUSeconds, r.WallSeconds, r.FloorSeconds, r.WallSeconds/r.FloorSeconds)
	}
	_ = table.Flush()
	fmt.Fprintln(out)
	for _, r := range results {
		fmt.Fprintf(out, "%s %s:", r.Endpoint, r.Phase)
		for _, operation := range slices.Sorted(maps.Keys(r.Operations)) {
			fmt.Fprintf(out, " %s %d", operation, r.Operations[operation])
		}
		fmt.Fprintln(out)
	}
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/fleet"
)

// result has the measurements of one size.
type result struct {
	machines, accounts, clusters int
	at                           time.Time
	floor                        time.Duration
	up, rest, notice, down       span
	// lost is how many instances were taken away, leftover how many instances, devices and keys
	// were left at the end.
	lost, leftover int
	// peak is the manager's largest resident memory in bytes.
	peak int64
	// curve is the provisioned part of the machines, over time.
	curve []point
}

type point struct {
	at   time.Duration
	part float64
}

// span is what was measured in a phase.
type span struct {
	fleet.Use
	// load is the machine's load average at the phase's end: the machine does other things too.
	load float64
}

// phase runs a phase and measures it.
func (b *bench) phase(ctx context.Context, into *span, run func(context.Context) error) (err error) {
	if into.Use, err = b.Measure(ctx, run); err != nil {
		return err
	}
	into.load, err = loadAverage()
	b.say("done after %s: CPU %s, %d calls to OCI, %d to the tailnet, %d writes to the API server; load %.1f",
		into.Wall.Round(time.Second/10), into.CPU.Round(time.Second/10), fleet.Total(into.OCI), fleet.Total(into.Tailnet), into.Writes, into.load)
	return err
}

// peakMemory is VmHWM of /proc/PID/status, in bytes.
func peakMemory(pid int) (int64, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(content)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kilobytes, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
			return kilobytes << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/status has no VmHWM", pid)
}

// loadAverage is the last minute's.
func loadAverage() (float64, error) {
	content, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(content), " ")
	return strconv.ParseFloat(first, 64)
}

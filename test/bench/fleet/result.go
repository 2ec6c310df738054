// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net/http"
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

// span is a phase's use of time and resources.
type span struct {
	wall, cpu time.Duration
	// load is the machine's load average at the phase's end: the machine does other things too.
	load float64
	// oci and tailnet are calls by operation, throttled those answered by OCI with 429.
	oci, tailnet map[string]int
	throttled    int
	// writes and reads are the manager's requests to the API server.
	writes, reads int
}

func total(calls map[string]int) int {
	sum := 0
	for _, n := range calls {
		sum += n
	}
	return sum
}

// phase measures run.
func (b *bench) phase(ctx context.Context, into *span, run func(context.Context) error) error {
	before, err := b.Diagnostics.Scrape(ctx)
	if err != nil {
		return err
	}
	b.OCI.ResetCalls()
	known := len(b.Control.Calls())
	cpu, err := b.CPUTime()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := run(ctx); err != nil {
		return err
	}
	into.wall = time.Since(began)
	spent, err := b.CPUTime()
	if err != nil {
		return err
	}
	after, err := b.Diagnostics.Scrape(ctx)
	if err != nil {
		return err
	}
	into.cpu = spent - cpu
	into.oci, into.tailnet = b.OCI.CallCounts(""), map[string]int{}
	for _, call := range b.OCI.Calls() {
		if call.Status == http.StatusTooManyRequests {
			into.throttled++
		}
	}
	for _, call := range b.Control.Calls()[known:] {
		into.tailnet[call.Operation]++
	}
	into.writes = after.Requests(fleet.Writes()...) - before.Requests(fleet.Writes()...)
	into.reads = after.Requests("GET") - before.Requests("GET")
	into.load, err = loadAverage()
	b.say("done after %s: CPU %s, %d calls to OCI, %d to the tailnet, %d writes to the API server; load %.1f",
		into.wall.Round(time.Second/10), into.cpu.Round(time.Second/10), total(into.oci), total(into.tailnet), into.writes, into.load)
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

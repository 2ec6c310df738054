// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// Requests are the manager's to the API server by these methods, as counted by client-go.
func (m Metrics) Requests(methods ...string) int {
	sum := 0
	for _, method := range methods {
		sum += int(m.Sum("rest_client_requests_total", map[string]string{"method": method}))
	}
	return sum
}

// Writes are the methods of requests that change something.
func Writes() []string { return []string{"POST", "PUT", "PATCH", "DELETE"} }

// ticksPerSecond is the unit of times in /proc/PID/stat on Linux (proc(5), sysconf(_SC_CLK_TCK)).
const ticksPerSecond = 100

// CPUTime is the manager's time in user and kernel mode: fields 14 and 15 of /proc/PID/stat.
func (f *Fleet) CPUTime() (time.Duration, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", f.Manager.PID()))
	if err != nil {
		return 0, err
	}
	// The second field is the program's name in parentheses.
	fields := strings.Fields(string(content[strings.LastIndexByte(string(content), ')')+1:]))
	ticks := 0
	for _, field := range fields[11:13] {
		n, err := strconv.Atoi(field)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / ticksPerSecond, nil
}

// Use is what the manager asked for, and what that took.
type Use struct {
	Wall, CPU time.Duration
	// OCI and Tailnet are calls by operation, Throttled those answered by OCI with 429.
	OCI, Tailnet map[string]int
	Throttled    int
	// Writes and Reads are the manager's requests to the API server.
	Writes, Reads int
}

// Measure tells what the manager does while run runs. OCI counts its calls anew.
func (f *Fleet) Measure(ctx context.Context, run func(context.Context) error) (use Use, err error) {
	before, err := f.Diagnostics.Scrape(ctx)
	if err != nil {
		return use, err
	}
	f.OCI.ResetCalls()
	known := len(f.Control.Calls())
	cpu, err := f.CPUTime()
	if err != nil {
		return use, err
	}
	began := time.Now()
	if err := run(ctx); err != nil {
		return use, err
	}
	use.Wall = time.Since(began)
	spent, err := f.CPUTime()
	if err != nil {
		return use, err
	}
	after, err := f.Diagnostics.Scrape(ctx)
	if err != nil {
		return use, err
	}
	use.CPU = spent - cpu
	use.OCI, use.Tailnet = f.OCI.CallCounts(""), map[string]int{}
	for _, call := range f.OCI.Calls() {
		if call.Status == http.StatusTooManyRequests {
			use.Throttled++
		}
	}
	for _, call := range f.Control.Calls()[known:] {
		use.Tailnet[call.Operation]++
	}
	use.Writes = after.Requests(Writes()...) - before.Requests(Writes()...)
	use.Reads = after.Requests(http.MethodGet) - before.Requests(http.MethodGet)
	return use, nil
}

// Total is the number of calls of all operations.
func Total(calls map[string]int) int {
	sum := 0
	for _, n := range calls {
		sum += n
	}
	return sum
}

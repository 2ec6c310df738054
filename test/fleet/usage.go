// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"fmt"
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

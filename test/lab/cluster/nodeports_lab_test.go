// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build lab && cilium

package cluster_test

import (
	"fmt"
	"os"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/world"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/watch"
)

// settledAnswers are answers in a row, five a second, after which an outage is over.
const settledAnswers = 25

// tailscaledRestarts restarts a worker's tailscaled while its NodePort is asked for. The tailnet's
// interface stays, so that Cilium's agent compiles nothing and has nothing to attach.
func (s *suite) tailscaledRestarts() {
	worker := s.machines(watch.Worker)[0]
	o := world.ObservePage(s.t.Context(), "http://"+world.InternalIP(s.node(worker)).String()+":"+probesPort)
	s.t.Cleanup(func() { o.Stop() })
	s.awaitAnswers(o)
	// The agent compiles this program each time it sets its datapath up (Reinitialize in
	// pkg/datapath/loader/base.go, v1.20.2).
	const traces = "ip -o link show dev tailscale0 | cut -d : -f 1; stat -c %Y.%i /run/cilium/state/bpf_alignchecker.o"
	before := s.exec(worker, traces)

	s.exec(worker, "systemctl restart tailscaled.service")

	s.awaitAnswers(o)
	seen := o.Stop()
	fmt.Fprintf(os.Stderr, "tailscaled was restarted, and its NodePorts: %s\n", seen)
	s.Expect(seen.Failed).To(BeNumerically(">", 0), "tailscaled was away")
	s.Expect(s.exec(worker, traces)).To(Equal(before))
	s.whole()
}

// awaitAnswers waits until an observer gets answers, and goes on to.
func (s *suite) awaitAnswers(o *world.Observer) {
	s.t.Helper()
	last, inARow := world.Availability{}, 0
	s.Eventually(func() int {
		now, _ := o.Seen()
		if now.Failed != last.Failed {
			inARow = 0
		} else {
			inARow += now.Answered() - last.Answered()
		}
		last = now
		return inARow
	}, soon, interval).Should(BeNumerically(">=", settledAnswers))
}

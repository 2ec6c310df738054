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
// interface stays, and with it Cilium's program on it: the agent compiles all of them anew, since
// the address went, and nobody waits for that.
func (s *suite) tailscaledRestarts() {
	worker := s.machines(watch.Worker)[0]
	o := world.ObservePage(s.t.Context(), "http://"+world.InternalIP(s.node(worker)).String()+":"+probesPort)
	s.t.Cleanup(func() { o.Stop() })
	s.awaitAnswers(o)
	const index = "ip -o link show dev tailscale0 | cut -d : -f 1"
	before := s.exec(worker, index)

	s.exec(worker, "systemctl restart tailscaled.service")

	s.awaitAnswers(o)
	seen := o.Stop()
	fmt.Fprintf(os.Stderr, "tailscaled was restarted, and its NodePorts: %s\n", seen)
	s.Expect(seen.Failed).To(BeNumerically(">", 0), "tailscaled was away")
	s.Expect(s.exec(worker, index)).To(Equal(before))
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

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package observability

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	dto "github.com/prometheus/client_model/go"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/fleet"
)

// run runs the manager until every kind of event has occurred: machines come up, one finds no room
// at first, one is never placed, calls are throttled.
func run(t *testing.T, dir string) *fleet.Fleet {
	t.Helper()
	g := NewWithT(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	repository, err := filepath.Abs(root)
	g.Expect(err).NotTo(HaveOccurred())
	const short = 20 * time.Millisecond
	f, err := fleet.Start(ctx, fleet.Options{
		Root: repository, Dir: dir, Accounts: 2, Clusters: 1, Join: short,
		Delays: sim.Delays{
			Provision: short, Start: short, Stop: short, Terminate: short, Network: short, Volume: short, Retention: time.Minute,
		},
		Args: []string{"--poll-interval=2s", "--progress-interval=200ms"},
	})
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { g.Expect(f.Close()).To(Succeed()) })

	g.Expect(f.OCI.SetCapacity(f.Accounts[0], sim.CapacityKey{FaultDomain: "FAULT-DOMAIN-1"}, 0)).To(Succeed())
	// A poll waits for its turn after the one; machines' launches are held back after the other,
	// for long enough to see one.
	for operation, pause := range map[string]time.Duration{"ListInstances": 0, "LaunchInstance": 5 * time.Second} {
		f.OCI.AddFault(sim.Fault{
			Tenancy: f.Accounts[1], Operation: operation, Status: 429, Code: "TooManyRequests", Message: "Too many requests", RetryAfter: pause,
		})
	}
	g.Expect(f.Prepare(ctx, 12)).To(Succeed())
	// Calls are held back after five failures in a row: twelve machines want keys at once. Lists
	// do not fail, or those of the Tailnet would use the failures up.
	f.Control.Inject(tailnetsim.Fault{Operation: tailnetsim.OpCreateKey, Status: 503, Message: "busy", Times: 8})
	g.Expect(f.Launch(ctx)).To(Succeed())
	nowhere := f.Machine("nowhere")
	nowhere.Spec.Accounts = infrav1.AccountSelection{Names: []string{"another"}}
	g.Expect(f.CreateMachine(ctx, nowhere)).To(Succeed())

	g.Expect(f.Await(ctx, 200*time.Millisecond, func(ctx context.Context) (string, error) {
		metrics, err := f.Diagnostics.Scrape(ctx)
		if err != nil {
			return "", err
		}
		switch {
		case metrics.Sum("capom_machines", map[string]string{"phase": "provisioned"}) < 4:
			return "four machines to be provisioned", nil
		case metrics.Sum("capom_placement_refusals_total", nil) < 1:
			return "a machine to be refused", nil
		case metrics.Sum("capom_oci_held_back_total", nil) < 1:
			return "a call to be held back", nil
		case metrics.Sum("capom_tailnet_held_back_total", nil) < 1:
			return "a call to the coordination server to be held back", nil
		case metrics.Sum("capom_oci_wait_seconds_total", nil) == 0:
			return "a call to wait for its turn", nil
		}
		return "", nil
	})).To(Succeed())
	return f
}

// labelsOf are the labels of a name's samples; a histogram has three kinds.
func labelsOf(metrics fleet.Metrics, name string) (names []string, known bool) {
	family := metrics[name]
	for _, ending := range []string{"_bucket", "_sum", "_count"} {
		base, ok := strings.CutSuffix(name, ending)
		if ok && metrics[base].GetType() == dto.MetricType_HISTOGRAM {
			family = metrics[base]
			if ending == "_bucket" {
				names = append(names, "le")
			}
		}
	}
	if family == nil {
		return nil, false
	}
	for _, metric := range family.GetMetric() {
		for _, pair := range metric.GetLabel() {
			names = append(names, pair.GetName())
		}
	}
	return names, true
}

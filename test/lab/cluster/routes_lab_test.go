// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build lab

package cluster_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/kit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/world"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/watch"
)

// joinTimeout is the time until a machine's condition reports that it has not joined: longer than a
// boot takes here.
const joinTimeout = 40 * time.Second

func TestPodsByTheTailnetsRoutes(t *testing.T) { inLab(t, podsByTheTailnetsRoutes) }

func podsByTheTailnetsRoutes(t *testing.T) {
	s := start(t, []string{"alpha", "bravo"}, world.ClusterOptions{
		Name: "routes", Flavor: "tailnet-routes", Version: kit.NewVersion, ControlPlanes: 1, Workers: 2,
		Change: twoAccounts,
	}, func(o *world.Options) { o.JoinTimeout, o.Connector = joinTimeout, "10.42.0.0/16" })
	s.walk([]stage{
		{"pods reach each other, and nothing is encapsulated", (*suite).podsRouted},
		{"each node's own pod CIDR is approved, and nothing else", (*suite).ownRoutesApproved},
		{"a node that claims the whole pod network is refused", (*suite).claimRefused},
		{"every way to a pod works, and keeps the source that it is to keep", (*suite).everyWayToAPod},
		{"NodePorts come back with tailscaled", (*suite).tailscaledRestarts},
		{"a VXLAN cluster with the same pods is refused, and one with others is let in", func(s *suite) { s.besideAnother("") }},
		{"Cilium is upgraded while pods talk", (*suite).ciliumUpgrades},
		{"a node that leaves takes its route along", (*suite).routeLeaves},
		{"a machine whose key was revoked says so, and is replaced by one with a key of its own", (*suite).revokedKeyReplaced},
		{"deleted, it leaves nothing", (*suite).leavesNothing},
	})
}

func (s *suite) podsRouted() {
	s.whole()
	s.expectCilium()
	for _, m := range s.snapshot().Machines {
		s.Expect(s.exec(m, "ip -brief link show type vxlan")).To(BeEmpty(), m.Name)
	}
}

// routes are the enabled routes of the machines' devices in the tailnet, by machine.
func (s *suite) routes() map[string][]netip.Prefix {
	s.t.Helper()
	devices, err := s.world.Tailnet.Devices(s.t.Context())
	s.Expect(err).NotTo(HaveOccurred())
	routes := map[string][]netip.Prefix{}
	for _, m := range s.snapshot().Machines {
		for _, d := range devices {
			if strings.HasPrefix(d.Hostname, m.Name) {
				routes[m.Name] = d.Enabled
			}
		}
	}
	return routes
}

// ownRoutes are the routes to be enabled.
func (s *suite) ownRoutes() map[string][]netip.Prefix {
	s.t.Helper()
	routes := map[string][]netip.Prefix{}
	for _, m := range s.snapshot().Machines {
		routes[m.Name] = []netip.Prefix{netip.MustParsePrefix(s.node(m).Spec.PodCIDR)}
		if m.Role == watch.ControlPlane {
			routes[m.Name] = append(routes[m.Name], netip.PrefixFrom(s.vip(), 32))
		}
	}
	return routes
}

func (s *suite) ownRoutesApproved() {
	want := s.ownRoutes()
	s.Eventually(func(g Gomega) {
		have := s.routes()
		g.Expect(have).To(HaveLen(len(want)))
		for name, routes := range want {
			g.Expect(have[name]).To(ConsistOf(routes), name)
		}
	}, soon, interval).Should(Succeed())
}

func (s *suite) claimRefused() {
	worker := s.machines(watch.Worker)[0]
	own := s.routes()[worker.Name]
	s.exec(worker, "systemctl stop capom-routes && tailscale set --advertise-routes=10.244.0.0/16")

	s.Eventually(func() string { return s.tailnetReason(worker) }, soon, interval).Should(Equal(infrav1.PodRouteRefusedReason))

	s.Expect(s.routes()[worker.Name]).To(Equal(own))
	s.exec(worker, "systemctl start capom-routes")
	s.Eventually(func() string { return s.tailnetReason(worker) }, soon, interval).Should(Equal(infrav1.ReadyReason))
	s.whole()
}

// tailnetReason is the reason of a machine's TailnetReady.
func (s *suite) tailnetReason(m watch.Machine) string {
	own := &infrav1.OCIMeshMachine{}
	if err := s.world.Client.Get(s.t.Context(), client.ObjectKey{Namespace: s.cluster.Name, Name: m.Name}, own); err != nil {
		return err.Error()
	}
	return conditions.GetReason(own, infrav1.TailnetReadyCondition)
}

func (s *suite) routeLeaves() {
	before := s.machines(watch.Worker)
	routes := s.routes()
	s.Expect(s.cluster.SetWorkers(s.t.Context(), 1)).To(Succeed())
	s.whole()
	left := s.machines(watch.Worker)[0].Name
	for _, m := range before {
		if m.Name == left {
			continue
		}
		s.Eventually(func() error {
			_, err := s.world.Tailnet.PrimaryRouter(s.t.Context(), routes[m.Name][0])
			return err
		}, soon, interval).Should(HaveOccurred(), "%s still has a router", routes[m.Name][0])
	}
}

// revokedKeyReplaced revokes the key of a new worker before it has joined.
func (s *suite) revokedKeyReplaced() {
	before := s.machines(watch.Worker)
	s.Expect(s.cluster.SetWorkers(s.t.Context(), len(before)+1)).To(Succeed())
	var revoked string
	s.Eventually(func(g Gomega) {
		rest, err := s.world.Tailnet.Leftovers(s.t.Context())
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(rest.Keys).To(HaveLen(1))
		revoked = rest.Keys[0].ID
	}, soon, 100*time.Millisecond).Should(Succeed())
	s.Expect(s.world.DeleteKey(s.t.Context(), revoked)).To(Succeed())
	barred := s.newWorker(before)

	s.Eventually(func() string { return s.tailnetReason(barred) }, settleTimeout, interval).Should(Equal(infrav1.JoinTimeoutReason))

	s.Expect(s.cluster.DeleteMachine(s.t.Context(), barred)).To(Succeed())
	s.Eventually(func() bool { return s.snapshot().Has(barred.Name) }, settleTimeout, interval).Should(BeFalse(), "%s is not replaced", barred.Name)
	s.whole()
	rest, err := s.world.Tailnet.Leftovers(s.t.Context())
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(rest.Keys).To(BeEmpty())
}

// newWorker is the worker added since.
func (s *suite) newWorker(before []watch.Machine) watch.Machine {
	s.t.Helper()
	var found watch.Machine
	s.Eventually(func(g Gomega) {
		now := s.machines(watch.Worker)
		i := slices.IndexFunc(now, func(m watch.Machine) bool {
			return !slices.ContainsFunc(before, func(b watch.Machine) bool { return b.Name == m.Name })
		})
		g.Expect(i).To(BeNumerically(">=", 0))
		found = now[i]
	}, soon, interval).Should(Succeed())
	return found
}

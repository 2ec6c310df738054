// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package network

import (
	"slices"
	"testing"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	. "github.com/onsi/gomega"
)

func TestALoadBalancerReachesTheNodesAndClientsReachTheLoadBalancer(t *testing.T) {
	b := newBench(t)
	state := b.readyFor(spec(), 6443)
	nodes, balancer := state.NetworkSecurityGroupIDs[0], state.LoadBalancerGroupID

	b.g.Expect(balancer).NotTo(Or(BeEmpty(), Equal(nodes)))
	b.g.Expect(b.rulesOf(nodes)).To(ConsistOf(append(slices.Clone(admitted), "INGRESS 6 "+balancer+" 6443-6443")))
	b.g.Expect(b.rulesOf(balancer)).To(ConsistOf(
		"INGRESS 6 0.0.0.0/0 6443-6443", "INGRESS 1 0.0.0.0/0 0-0 type 3 code 4", "EGRESS 6 "+nodes+" 6443-6443",
	))

	again := b.readyFor(spec(), 6443)
	b.g.Expect(again).To(Equal(state), "the two groups are told apart")
	b.gone(state.VCNID)
	left, err := b.sim.Leftovers("one")
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(left).To(BeEmpty())
}

func TestRulesOfALoadBalancersGroupAreRepaired(t *testing.T) {
	b := newBench(t)
	state := b.readyFor(spec(), 6443)
	rules, err := b.client.ListSecurityRules(t.Context(), state.LoadBalancerGroupID)
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(b.client.RemoveSecurityRules(t.Context(), ownership.Recorded(state.LoadBalancerGroupID), []string{rules[0].ID})).To(Succeed())

	b.readyFor(spec(), 6443)

	repaired, err := b.client.ListSecurityRules(t.Context(), state.LoadBalancerGroupID)
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(repaired).To(HaveLen(len(rules)))
}

func TestANetworkWithoutALoadBalancerHasOneGroup(t *testing.T) {
	b := newBench(t)
	b.g.Expect(b.ready(spec()).LoadBalancerGroupID).To(BeEmpty())
	b.g.Expect(b.sim.CallCounts("")["CreateNetworkSecurityGroup"]).To(Equal(1))
}

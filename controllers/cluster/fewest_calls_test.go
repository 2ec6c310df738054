// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

// Passes come far more often than there is something to see.
func TestPassesWithNothingToSeeMakeNoCalls(t *testing.T) {
	t.Parallel()
	if sim.SeedOfEnvironment() != 0 {
		t.Skip("the numbers are those of answers that do not vary")
	}
	b := newBench(t, helpers.WorldOptions{Accounts: 1, Sim: sim.Options{
		PageSize: 100,
		Delays:   &sim.Delays{Network: 200 * time.Millisecond, ListLag: 20 * time.Millisecond, Retention: time.Minute},
	}})
	b.r.Options.Intervals.Progress = 50 * time.Millisecond
	infra := b.cluster("c1", balanced(infrav1.EndpointNetworkLoadBalancer))
	b.OCI.ResetCalls()

	b.until(infra, "Ready True Ready")

	for operation, count := range map[string]int{
		"ListVcns": 1, "CreateVcn": 1, "UpdateSecurityList": 1, "CreateInternetGateway": 1, "CreateRouteTable": 1,
		"CreateNetworkSecurityGroup": 2, "AddNetworkSecurityGroupSecurityRules": 2, "CreateSubnet": 1,
		"ListNetworkLoadBalancers": 1, "CreateNetworkLoadBalancer": 1,
		"GetSecurityList": 0, "ListSubnets": 0, "GetNetworkLoadBalancerWorkRequest": 0,
	} {
		b.g.Expect(b.count(operation)).To(Equal(count), operation)
	}
	b.OCI.ResetCalls()

	b.deleted(infra)

	for operation, count := range map[string]int{
		"DeleteNetworkLoadBalancer": 1, "ListNetworkLoadBalancers": 2, "DeleteSubnet": 1, "ListNetworkSecurityGroups": 1,
		"DeleteNetworkSecurityGroup": 2, "ListInternetGateways": 1, "DeleteInternetGateway": 1, "ListNatGateways": 0,
	} {
		b.g.Expect(b.count(operation)).To(Equal(count), operation)
	}
	for _, operation := range []string{"DeleteRouteTable", "DeleteVcn"} {
		b.g.Expect(b.count(operation)).To(BeNumerically("<=", 2), "one may come too early: %s", operation)
	}
	b.ExpectNothingLeft(t)
}

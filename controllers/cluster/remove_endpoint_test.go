// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"testing"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

func TestALoadBalancerThatCannotBeProvenGoneKeepsTheFinalizer(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]sim.Fault{
		"service unavailable": {Status: 503, Code: "ServiceUnavailable", Times: -1},
		"permission lost":     {Status: 404, Code: "NotAuthorizedOrNotFound", Times: -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, helpers.WorldOptions{Accounts: 1})
			infra := b.cluster("c1", balanced(infrav1.EndpointNetworkLoadBalancer))
			b.until(infra, "Ready True Ready")
			fault.Operation = "ListNetworkLoadBalancers"
			b.OCI.AddFault(fault)
			b.g.Expect(env.Client.Delete(t.Context(), infra.DeepCopy())).To(Succeed())

			b.until(infra, "Deleting True WaitingForAccount")

			b.g.Expect(helpers.MessageOf(infra, infrav1.DeletingCondition)).To(ContainSubstring("The load balancer in OCIAccount"))
			b.g.Expect(b.count("DeleteSubnet")).To(BeZero(), "its network comes after it")
			b.OCI.ClearFaults()
			b.restart()
			b.untilGone(infra)
			b.ExpectNothingLeft(t)
		})
	}
}

func TestALoadBalancerThatOCIKeepsIsTheUsersToFree(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	infra := b.cluster("c1", balanced(infrav1.EndpointLoadBalancer))
	b.until(infra, "Ready True Ready")
	b.OCI.AddFault(sim.Fault{
		Operation: "DeleteLoadBalancer", Status: 409, Code: "Conflict", Message: "The load balancer is protected against deletion.", Times: 3,
	})
	b.g.Expect(env.Client.Delete(t.Context(), infra.DeepCopy())).To(Succeed())

	b.until(infra, "Deleting True LoadBalancerInUse")

	b.g.Expect(helpers.MessageOf(infra, infrav1.DeletingCondition)).To(ContainSubstring("protected against deletion"))
	b.untilGone(infra)
	b.ExpectNothingLeft(t)
}

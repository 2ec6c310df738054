// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

func TestAFailureDomainStaysWhileMachinesAreInIt(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 3})
	infra := b.cluster("c1")
	b.until(infra, "Ready True Ready")
	b.machineIn(infra, "m1", b.Accounts[1].Name)
	for _, account := range b.Accounts[1:] {
		b.Reload(t, account)
		b.SetReady(t, account, metav1.ConditionFalse, "AuthenticationFailed", "fix the Secret")
	}

	b.until(infra, "AccountsReady False AccountNotReady")

	b.g.Expect(names(infra.Status.FailureDomains)).To(Equal([]string{b.Accounts[0].Name + "-ad-1", b.Accounts[1].Name + "-ad-1"}),
		"the third has no machines, and nothing new can be placed there")
	b.g.Expect(infra.Status.Accounts[1].SubnetID).NotTo(BeEmpty(), "what is known stays in the status")
	b.g.Expect(infra.Status.Initialization.Provisioned).To(HaveValue(BeTrue()), "written once")

	b.MakeReady(t)
	b.until(infra, "Ready True Ready")
	b.g.Expect(infra.Status.FailureDomains).To(HaveLen(3))
}

func TestAFailureDomainOutlivesAHiccup(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 2})
	infra := b.cluster("c1")
	b.until(infra, "Ready True Ready")
	b.restart()
	b.OCI.AddFault(sim.Fault{Tenancy: b.Tenancies[1].Name, Status: 503, Code: "ServiceUnavailable", Times: -1})

	b.until(infra, "NetworkReady False Unavailable")

	b.g.Expect(infra.Status.FailureDomains).To(HaveLen(2))
	b.g.Expect(infra.Status.Accounts[1].Ready).To(HaveValue(BeFalse()))
}

func names(domains []clusterv1.FailureDomain) []string {
	var out []string
	for _, domain := range domains {
		out = append(out, domain.Name)
	}
	return out
}

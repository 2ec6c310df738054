// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
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
	b.until(infra, "AccountsReady True Ready")
	b.g.Expect(infra.Status.FailureDomains).To(HaveLen(3))
}

// KubeadmControlPlane knows nothing of accounts: of the domains that it may choose from, each must
// be of another account, or hold control planes already.
func TestControlPlanesHaveOneFailureDomainInEachAccount(t *testing.T) {
	domains := func(accounts ...string) (out []clusterv1.FailureDomain) {
		for _, account := range accounts {
			for _, ad := range []string{"ad-1", "ad-2", "ad-3"} {
				out = append(out, clusterv1.FailureDomain{
					Name: account + "-" + ad, ControlPlane: ptr.To(true), Attributes: map[string]string{attributeAccount: account},
				})
			}
		}
		return out
	}
	member := func(domain string) infrav1.OCIMeshMachine {
		machine := infrav1.OCIMeshMachine{Status: infrav1.OCIMeshMachineStatus{FailureDomain: domain}}
		machine.Labels = map[string]string{clusterv1.MachineControlPlaneLabel: ""}
		return machine
	}
	worker := infrav1.OCIMeshMachine{Status: infrav1.OCIMeshMachineStatus{FailureDomain: "a-ad-3"}}
	before := domains("a")[1:2]
	for name, world := range map[string]struct {
		accounts []string
		machines []infrav1.OCIMeshMachine
		before   []clusterv1.FailureDomain
		want     []string
	}{
		"nothing is there":      {[]string{"a", "b", "c"}, nil, nil, []string{"a-ad-1", "b-ad-1", "c-ad-1"}},
		"workers do not matter": {[]string{"a", "b", "c"}, []infrav1.OCIMeshMachine{worker}, nil, []string{"a-ad-1", "b-ad-1", "c-ad-1"}},
		"those with control planes stay": {
			[]string{"a", "b", "c"}, []infrav1.OCIMeshMachine{member("a-ad-2"), member("a-ad-3")}, nil, []string{"a-ad-2", "a-ad-3", "b-ad-1", "c-ad-1"},
		},
		"the one of before stays": {[]string{"a", "b", "c"}, nil, before, []string{"a-ad-2", "b-ad-1", "c-ad-1"}},
		"two accounts cannot keep quorum": {
			[]string{"a", "b"}, nil, nil, []string{"a-ad-1", "a-ad-2", "a-ad-3", "b-ad-1", "b-ad-2", "b-ad-3"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := &scope{infra: &infrav1.OCIMeshCluster{}, machines: world.machines}
			s.infra.Status.FailureDomains = world.before
			listed := domains(world.accounts...)

			s.spreadOverAccounts(listed)

			allowed := slices.DeleteFunc(listed, func(d clusterv1.FailureDomain) bool { return !*d.ControlPlane })
			NewWithT(t).Expect(names(allowed)).To(Equal(world.want))
		})
	}
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

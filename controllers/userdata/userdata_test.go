// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package userdata

import (
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

func TestANodeKnowsTheRangeOfItsOwnVCN(t *testing.T) {
	managed := func(name, vcn string) infrav1.ClusterAccount {
		return infrav1.ClusterAccount{Name: name, Network: infrav1.AccountNetwork{Managed: &infrav1.ManagedNetwork{VCNCIDR: vcn}}}
	}
	existing := infrav1.ClusterAccount{Name: "charlie", Network: infrav1.AccountNetwork{Existing: infrav1.ExistingNetwork{SubnetID: "ocid1.subnet.a"}}}
	cases := map[string][]netip.Prefix{
		"alice":   {netip.MustParsePrefix("10.0.0.0/16")},
		"bob":     {netip.MustParsePrefix("10.1.0.0/16")},
		"charlie": {netip.MustParsePrefix("172.16.0.0/20"), netip.MustParsePrefix("172.20.0.0/16")},
		"delta":   nil,
	}
	for account, want := range cases {
		t.Run(account, func(t *testing.T) {
			g := NewWithT(t)
			infra := &infrav1.OCIMeshCluster{}
			infra.Spec.EndpointType = infrav1.EndpointExternal
			infra.Spec.PodNetwork = infrav1.PodNetwork{Mode: infrav1.PodNetworkTailnetRoutes, NodeCIDRMaskSize: 25}
			infra.Spec.Accounts = []infrav1.ClusterAccount{managed("alice", "10.0.0.0/16"), managed("bob", "10.1.0.0/16"), existing}
			infra.Status.Accounts = []infrav1.ClusterAccountStatus{{Name: "charlie", Ranges: []string{"172.16.0.0/20", "172.20.0.0/16"}}}

			input, err := Input(Node{Secret: &corev1.Secret{}, Place: Place{Account: accountOf(account)}, Cluster: &clusterv1.Cluster{}, InfraCluster: infra, Tailnet: &infrav1.Tailnet{}})

			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(input.VCNCIDRs).To(Equal(want))
			g.Expect(input.PodNetwork.NodeCIDRMaskSize).To(Equal(25))
		})
	}
}

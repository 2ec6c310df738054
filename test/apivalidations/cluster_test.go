// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package apivalidations

import (
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

func goodCluster() *infrav1.OCIMeshCluster {
	return &infrav1.OCIMeshCluster{ObjectMeta: namespaced(), Spec: infrav1.OCIMeshClusterSpec{
		TailnetRef: infrav1.TailnetReference{Name: "home"},
		Accounts: []infrav1.ClusterAccount{
			{Name: "alice"},
			{Name: "bob", Network: infrav1.AccountNetwork{Existing: infrav1.ExistingNetwork{SubnetID: "ocid1.subnet.oc1..b"}}},
		},
	}}
}

func managed(change func(*infrav1.ManagedNetwork)) func(*infrav1.OCIMeshCluster) {
	return func(c *infrav1.OCIMeshCluster) {
		network := &infrav1.ManagedNetwork{}
		change(network)
		c.Spec.Accounts[0].Network = infrav1.AccountNetwork{Managed: network}
	}
}

func TestAClustersDefaults(t *testing.T) {
	g := NewWithT(t)
	cluster := created(t, goodCluster())
	g.Expect(cluster.Spec.EndpointType).To(Equal(infrav1.EndpointTailnetVIP))
	g.Expect(cluster.Spec.PodNetwork).To(Equal(infrav1.PodNetwork{Mode: infrav1.PodNetworkVXLAN, MTU: 1280, NodeCIDRMaskSize: 24}))
	g.Expect(cluster.Spec.Accounts[0]).To(Equal(infrav1.ClusterAccount{
		Name: "alice", ControlPlane: ptr.To(true), Weight: 1,
		Network: infrav1.AccountNetwork{Managed: &infrav1.ManagedNetwork{
			VCNCIDR: "10.0.0.0/16", SubnetCIDR: "10.0.0.0/20", Gateway: infrav1.GatewayInternet,
		}},
	}))
	g.Expect(cluster.Spec.Accounts[1].Network.Managed).To(BeNil())
}

func TestAManagedNetworksDefaultsFillInWhatIsLeftOut(t *testing.T) {
	g := NewWithT(t)
	object := goodCluster()
	managed(func(n *infrav1.ManagedNetwork) { n.Gateway = infrav1.GatewayNAT })(object)
	cluster := created(t, object)
	g.Expect(cluster.Spec.Accounts[0].Network.Managed).To(Equal(&infrav1.ManagedNetwork{
		VCNCIDR: "10.0.0.0/16", SubnetCIDR: "10.0.0.0/20", Gateway: infrav1.GatewayNAT,
	}))
}

func TestOCIMeshClustersAreRefusedWithTheReason(t *testing.T) {
	expectRefusals(t, goodCluster, []refusal[*infrav1.OCIMeshCluster]{
		{"no tailnet", func(c *infrav1.OCIMeshCluster) { c.Spec.TailnetRef.Name = "" }, "tailnetRef"},
		{"no accounts", func(c *infrav1.OCIMeshCluster) { c.Spec.Accounts = nil }, "spec.accounts"},
		{"the same account twice", func(c *infrav1.OCIMeshCluster) { c.Spec.Accounts[1].Name = "alice" }, "Duplicate value"},
		{"no account for control planes", func(c *infrav1.OCIMeshCluster) {
			c.Spec.Accounts[0].ControlPlane, c.Spec.Accounts[1].ControlPlane = ptr.To(false), ptr.To(false)
		}, "at least one account must allow control planes"},
		{"an unknown endpoint type", func(c *infrav1.OCIMeshCluster) { c.Spec.EndpointType = "KubeVIP" }, "Unsupported value"},
		{"an unknown pod network", func(c *infrav1.OCIMeshCluster) { c.Spec.PodNetwork.Mode = "Geneve" }, "Unsupported value"},
		{"an MTU that the Internet drops", func(c *infrav1.OCIMeshCluster) { c.Spec.PodNetwork.MTU = 1500 }, "less than or equal to 1420"},
		{"a network both made and brought", func(c *infrav1.OCIMeshCluster) {
			c.Spec.Accounts[1].Network.Managed = &infrav1.ManagedNetwork{}
		}, "exactly one of managed and existing must be set"},
		{"a subnet's name instead of its OCID", func(c *infrav1.OCIMeshCluster) { c.Spec.Accounts[1].Network.Existing.SubnetID = "public" },
			"subnetID must be a subnet's OCID"},
		{"a VCN larger than OCI makes", managed(func(n *infrav1.ManagedNetwork) { n.VCNCIDR = "10.0.0.0/8" }), "between /16 and /30"},
		{"a VCN in the tailnet's range", managed(func(n *infrav1.ManagedNetwork) { n.VCNCIDR, n.SubnetCIDR = "100.64.0.0/16", "100.64.0.0/24" }),
			"must not overlap the tailnet's range 100.64.0.0/10"},
		{"a VCN over the metadata service", managed(func(n *infrav1.ManagedNetwork) { n.VCNCIDR, n.SubnetCIDR = "169.254.0.0/16", "169.254.0.0/24" }),
			"169.254.0.0/16"},
		{"a VCN with host bits", managed(func(n *infrav1.ManagedNetwork) { n.VCNCIDR = "10.0.0.1/16" }), "vcnCIDR must be an IPv4 network"},
		{"a subnet outside its VCN", managed(func(n *infrav1.ManagedNetwork) { n.SubnetCIDR = "10.1.0.0/24" }), "subnetCIDR must lie within vcnCIDR"},
		{"SSH from something that is no network", managed(func(n *infrav1.ManagedNetwork) { n.SSHFrom = []string{"my-office1"} }),
			"sshFrom must hold IPv4 networks"},
	})
}

func TestOCIMeshClustersKeepWhatNodesHold(t *testing.T) {
	expectRefusedUpdates(t, goodCluster, []refusal[*infrav1.OCIMeshCluster]{
		{"another tailnet", func(c *infrav1.OCIMeshCluster) { c.Spec.TailnetRef.Name = "work" }, "tailnetRef is immutable"},
		{"another endpoint type", func(c *infrav1.OCIMeshCluster) { c.Spec.EndpointType = infrav1.EndpointExternal }, "endpointType is immutable"},
		{"another pod network", func(c *infrav1.OCIMeshCluster) { c.Spec.PodNetwork.Mode = infrav1.PodNetworkTailnetRoutes }, "podNetwork.mode is immutable"},
		{"another MTU", func(c *infrav1.OCIMeshCluster) { c.Spec.PodNetwork.MTU = 1400 }, "podNetwork.mtu is immutable"},
		{"another size of nodes' parts", func(c *infrav1.OCIMeshCluster) { c.Spec.PodNetwork.NodeCIDRMaskSize = 25 }, "podNetwork.nodeCIDRMaskSize is immutable"},
		{"no pod network, which is the default", func(c *infrav1.OCIMeshCluster) { c.Spec.PodNetwork = infrav1.PodNetwork{} }, ""},
		{"another VCN range", func(c *infrav1.OCIMeshCluster) {
			c.Spec.Accounts[0].Network.Managed.VCNCIDR = "10.0.0.0/17"
		}, "vcnCIDR is immutable"},
		{"another gateway", func(c *infrav1.OCIMeshCluster) { c.Spec.Accounts[0].Network.Managed.Gateway = infrav1.GatewayNAT }, "gateway is immutable"},
		{"a brought network instead of a made one", func(c *infrav1.OCIMeshCluster) {
			c.Spec.Accounts[0].Network = infrav1.AccountNetwork{Existing: infrav1.ExistingNetwork{SubnetID: "ocid1.subnet.oc1..a"}}
		}, "cannot change between managed and existing"},
		{"an endpoint for the first time", func(c *infrav1.OCIMeshCluster) {
			c.Spec.ControlPlaneEndpoint = infrav1.APIEndpoint{Host: "10.250.0.1", Port: 6443}
		}, ""},
		{"one more account", func(c *infrav1.OCIMeshCluster) {
			c.Spec.Accounts = append(c.Spec.Accounts, infrav1.ClusterAccount{Name: "carol"})
		}, ""},
		{"one account less", func(c *infrav1.OCIMeshCluster) { c.Spec.Accounts = c.Spec.Accounts[:1] }, ""},
		{"SSH let in", func(c *infrav1.OCIMeshCluster) { c.Spec.Accounts[0].Network.Managed.SSHFrom = []string{"192.0.2.0/24"} }, ""},
	})
}

func TestPodsByRoutesStayRouted(t *testing.T) {
	routed := func() *infrav1.OCIMeshCluster {
		cluster := goodCluster()
		cluster.Spec.PodNetwork.Mode = infrav1.PodNetworkTailnetRoutes
		return cluster
	}
	expectRefusedUpdates(t, routed, []refusal[*infrav1.OCIMeshCluster]{
		{"the default", func(c *infrav1.OCIMeshCluster) { c.Spec.PodNetwork.Mode = infrav1.PodNetworkVXLAN }, "podNetwork.mode is immutable"},
		{"no mode any more", func(c *infrav1.OCIMeshCluster) { c.Spec.PodNetwork.Mode = "" }, "podNetwork.mode is immutable"},
		{"no pod network any more", func(c *infrav1.OCIMeshCluster) { c.Spec.PodNetwork = infrav1.PodNetwork{} }, "podNetwork.mode is immutable"},
		{"the same", func(c *infrav1.OCIMeshCluster) { c.Spec.PodNetwork.Mode = infrav1.PodNetworkTailnetRoutes }, ""},
	})
}

func TestAnEndpointIsKeptOnceSet(t *testing.T) {
	withEndpoint := func() *infrav1.OCIMeshCluster {
		cluster := goodCluster()
		cluster.Spec.ControlPlaneEndpoint = infrav1.APIEndpoint{Host: "10.250.0.1", Port: 6443}
		return cluster
	}
	expectRefusedUpdates(t, withEndpoint, []refusal[*infrav1.OCIMeshCluster]{
		{"another host", func(c *infrav1.OCIMeshCluster) { c.Spec.ControlPlaneEndpoint.Host = "10.250.0.2" }, "controlPlaneEndpoint.host is immutable"},
		{"another port", func(c *infrav1.OCIMeshCluster) { c.Spec.ControlPlaneEndpoint.Port = 443 }, "controlPlaneEndpoint.port is immutable"},
		{"no endpoint any more", func(c *infrav1.OCIMeshCluster) { c.Spec.ControlPlaneEndpoint = infrav1.APIEndpoint{} }, "controlPlaneEndpoint"},
	})
}

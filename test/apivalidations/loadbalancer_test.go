// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package apivalidations

import (
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// balancedCluster has its control planes in alice, behind a public network load balancer, and
// workers in bob too.
func balancedCluster() *infrav1.OCIMeshCluster {
	cluster := goodCluster()
	cluster.Spec.EndpointType = infrav1.EndpointNetworkLoadBalancer
	cluster.Spec.LoadBalancer.Scope = infrav1.LoadBalancerPublic
	cluster.Spec.Accounts[1].ControlPlane = ptr.To(false)
	return cluster
}

// inExistingNetwork puts the control planes into a network of the user's.
func inExistingNetwork(c *infrav1.OCIMeshCluster) {
	c.Spec.Accounts[0].ControlPlane, c.Spec.Accounts[1].ControlPlane = ptr.To(false), ptr.To(true)
}

func TestLoadBalancersAreAccepted(t *testing.T) {
	for name, change := range map[string]func(*infrav1.OCIMeshCluster){
		"public":  func(*infrav1.OCIMeshCluster) {},
		"private": func(c *infrav1.OCIMeshCluster) { c.Spec.LoadBalancer.Scope = infrav1.LoadBalancerPrivate },
		"private, behind a NAT gateway": func(c *infrav1.OCIMeshCluster) {
			c.Spec.LoadBalancer.Scope = infrav1.LoadBalancerPrivate
			managed(func(n *infrav1.ManagedNetwork) { n.Gateway = infrav1.GatewayNAT })(c)
		},
		"with a reserved address": func(c *infrav1.OCIMeshCluster) { c.Spec.LoadBalancer.ReservedPublicIPID = "ocid1.publicip.oc1..a" },
		"in a subnet of the user's": func(c *infrav1.OCIMeshCluster) {
			inExistingNetwork(c)
			c.Spec.LoadBalancer.SubnetID = "ocid1.subnet.oc1..lb"
			c.Spec.LoadBalancer.NetworkSecurityGroupIDs = []string{"ocid1.networksecuritygroup.oc1..lb"}
		},
		"of the classic kind": func(c *infrav1.OCIMeshCluster) {
			c.Spec.EndpointType = infrav1.EndpointLoadBalancer
			c.Spec.LoadBalancer.Bandwidth = infrav1.LoadBalancerBandwidth{MinimumMbps: 10, MaximumMbps: 100}
		},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := balancedCluster()
			change(cluster)
			NewWithT(t).Expect(created(t, cluster).Spec.EndpointType.HasLoadBalancer()).To(BeTrue())
		})
	}
}

func TestLoadBalancersAreRefusedWithTheReason(t *testing.T) {
	expectRefusals(t, balancedCluster, []refusal[*infrav1.OCIMeshCluster]{
		{"control planes in two accounts", func(c *infrav1.OCIMeshCluster) { c.Spec.Accounts[1].ControlPlane = nil },
			"a load balancer reaches control planes of one account only"},
		{"neither public nor private", func(c *infrav1.OCIMeshCluster) {
			c.Spec.LoadBalancer = infrav1.LoadBalancerSpec{ReservedPublicIPID: "ocid1.publicip.oc1..a"}
		}, "spec.loadBalancer.scope"},
		{"an unknown scope", func(c *infrav1.OCIMeshCluster) { c.Spec.LoadBalancer.Scope = "Internet" }, "Unsupported value"},
		{"no load balancer", func(c *infrav1.OCIMeshCluster) { c.Spec.LoadBalancer = infrav1.LoadBalancerSpec{} },
			"loadBalancer must be set with endpointType NetworkLoadBalancer or LoadBalancer"},
		{"one for another type of endpoint", func(c *infrav1.OCIMeshCluster) { c.Spec.EndpointType = infrav1.EndpointTailnetVIP }, "and only then"},
		{"a reserved address of a private one", func(c *infrav1.OCIMeshCluster) {
			c.Spec.LoadBalancer.Scope = infrav1.LoadBalancerPrivate
			c.Spec.LoadBalancer.ReservedPublicIPID = "ocid1.publicip.oc1..a"
		}, "reservedPublicIPID needs scope Public"},
		{"an address instead of its OCID", func(c *infrav1.OCIMeshCluster) { c.Spec.LoadBalancer.ReservedPublicIPID = "192.0.2.1" },
			"must be a public IP's OCID"},
		{"a subnet in a managed network", func(c *infrav1.OCIMeshCluster) { c.Spec.LoadBalancer.SubnetID = "ocid1.subnet.oc1..lb" },
			"are for an existing network"},
		{"a security group in a managed network", func(c *infrav1.OCIMeshCluster) {
			c.Spec.LoadBalancer.NetworkSecurityGroupIDs = []string{"ocid1.networksecuritygroup.oc1..lb"}
		}, "are for an existing network"},
		{"a public one in a private subnet", managed(func(n *infrav1.ManagedNetwork) { n.Gateway = infrav1.GatewayNAT }),
			"a public load balancer needs a public subnet"},
		{"bandwidth of a network load balancer", func(c *infrav1.OCIMeshCluster) {
			c.Spec.LoadBalancer.Bandwidth = infrav1.LoadBalancerBandwidth{MinimumMbps: 10, MaximumMbps: 10}
		}, "loadBalancer.bandwidth is for endpointType LoadBalancer"},
		{"bandwidth upside down", func(c *infrav1.OCIMeshCluster) {
			c.Spec.EndpointType = infrav1.EndpointLoadBalancer
			c.Spec.LoadBalancer.Bandwidth = infrav1.LoadBalancerBandwidth{MinimumMbps: 100, MaximumMbps: 10}
		}, "minimumMbps must not exceed maximumMbps"},
	})
}

func TestWhatALoadBalancerCannotChange(t *testing.T) {
	expectRefusedUpdates(t, balancedCluster, []refusal[*infrav1.OCIMeshCluster]{
		{"another scope", func(c *infrav1.OCIMeshCluster) { c.Spec.LoadBalancer.Scope = infrav1.LoadBalancerPrivate }, "scope is immutable"},
		{"a reserved address", func(c *infrav1.OCIMeshCluster) { c.Spec.LoadBalancer.ReservedPublicIPID = "ocid1.publicip.oc1..a" },
			"reservedPublicIPID is immutable"},
		{"another account", func(c *infrav1.OCIMeshCluster) {
			c.Spec.Accounts[0].ControlPlane, c.Spec.Accounts[1].ControlPlane = ptr.To(false), ptr.To(true)
		}, "the account of the load balancer is immutable"},
		{"a second account", func(c *infrav1.OCIMeshCluster) { c.Spec.Accounts[1].ControlPlane = ptr.To(true) },
			"a load balancer reaches control planes of one account only"},
		{"its account gone", func(c *infrav1.OCIMeshCluster) {
			c.Spec.Accounts = c.Spec.Accounts[1:]
			c.Spec.Accounts[0].ControlPlane = ptr.To(true)
		}, "the account of the load balancer is immutable"},
		{"another type of endpoint", func(c *infrav1.OCIMeshCluster) { c.Spec.EndpointType = infrav1.EndpointLoadBalancer },
			"endpointType is immutable"},
	})
}

func TestAnotherSubnetForALoadBalancerIsRefused(t *testing.T) {
	base := func() *infrav1.OCIMeshCluster {
		cluster := balancedCluster()
		inExistingNetwork(cluster)
		return cluster
	}
	expectRefusedUpdates(t, base, []refusal[*infrav1.OCIMeshCluster]{
		{"a subnet", func(c *infrav1.OCIMeshCluster) { c.Spec.LoadBalancer.SubnetID = "ocid1.subnet.oc1..lb" }, "subnetID is immutable"},
	})
}

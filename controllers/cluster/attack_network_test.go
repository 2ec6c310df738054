// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// neighbour is another namespace that the accounts and the tailnet allow.
func (b *bench) neighbour() *bench {
	world := *b.World
	world.Namespace = env.Namespace(b.t, nil)
	for _, account := range b.Accounts {
		helpers.Update(b.t, env, account, func(a *infrav1.OCIAccount) {
			a.Spec.AllowedNamespaces.List = append(a.Spec.AllowedNamespaces.List, world.Namespace)
		})
	}
	helpers.Update(b.t, env, b.Tailnet, func(tn *infrav1.Tailnet) {
		tn.Spec.AllowedNamespaces.List = append(tn.Spec.AllowedNamespaces.List, world.Namespace)
	})
	return &bench{World: &world, t: b.t, g: b.g, r: b.r}
}

// subnet is of a network that somebody has made for himself.
func (b *bench) subnet() string {
	b.t.Helper()
	c, err := b.Clients.OCI(b.t.Context(), b.Accounts[0])
	b.g.Expect(err).NotTo(HaveOccurred())
	vcn, err := c.CreateVCN(b.t.Context(), oci.VCNSpec{DisplayName: "own", CIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")}})
	b.g.Expect(err).NotTo(HaveOccurred())
	var subnet oci.Subnet
	b.g.Eventually(func(g Gomega) {
		subnet, err = c.CreateSubnet(b.t.Context(), oci.SubnetSpec{VCNID: vcn.ID, DisplayName: "own", CIDR: netip.MustParsePrefix("10.0.0.0/20")})
		g.Expect(err).NotTo(HaveOccurred())
	}, time.Minute, 5*time.Millisecond).Should(Succeed())
	return subnet.ID
}

func TestTheNetworkOfAnotherNamespacesClusterIsNotTakenForOnesOwn(t *testing.T) {
	behind := func(own *infrav1.OCIMeshCluster, balancer infrav1.LoadBalancerSpec) {
		balancer.Scope = infrav1.LoadBalancerPrivate
		own.Spec.EndpointType, own.Spec.LoadBalancer = infrav1.EndpointNetworkLoadBalancer, balancer
	}
	for name, world := range map[string]struct {
		change func(own *infrav1.OCIMeshCluster, victim infrav1.ClusterAccountStatus)
		want   string
	}{
		"the nodes' subnet": {func(own *infrav1.OCIMeshCluster, victim infrav1.ClusterAccountStatus) {
			own.Spec.Accounts[0].Network.Existing.SubnetID = victim.SubnetID
		}, "NetworkReady False NetworkFailed"},
		"the nodes' security group": {func(own *infrav1.OCIMeshCluster, victim infrav1.ClusterAccountStatus) {
			own.Spec.Accounts[0].Network.Existing.NetworkSecurityGroupIDs = victim.NetworkSecurityGroupIDs
		}, "NetworkReady False NetworkFailed"},
		"a subnet for the load balancer": {func(own *infrav1.OCIMeshCluster, victim infrav1.ClusterAccountStatus) {
			behind(own, infrav1.LoadBalancerSpec{SubnetID: victim.SubnetID})
		}, "EndpointReady False EndpointFailed"},
		"a security group for the load balancer": {func(own *infrav1.OCIMeshCluster, victim infrav1.ClusterAccountStatus) {
			behind(own, infrav1.LoadBalancerSpec{NetworkSecurityGroupIDs: victim.NetworkSecurityGroupIDs})
		}, "EndpointReady False EndpointFailed"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, helpers.WorldOptions{Accounts: 1})
			victim := b.cluster("c1")
			b.until(victim, "Ready True Ready")
			n := b.neighbour()
			subnet := n.subnet()

			intruder := n.cluster("c2", func(_ *clusterv1.Cluster, own *infrav1.OCIMeshCluster) {
				if len(own.Spec.Accounts) > 0 {
					own.Spec.Accounts[0].Network.Existing.SubnetID = subnet
					world.change(own, victim.Status.Accounts[0])
				}
			})
			n.until(intruder, world.want)
			condition, _, _ := strings.Cut(world.want, " ")
			b.g.Expect(helpers.MessageOf(intruder, condition)).To(ContainSubstring("is another namespace's: use one of your own"))
			b.g.Expect(intruder.Status.Initialization.Provisioned).To(BeNil())
			b.g.Expect(n.balancers(0)).To(BeEmpty())
			n.deleted(intruder)
			b.deleted(victim)
		})
	}
}

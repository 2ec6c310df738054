// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package sim_test

import (
	"net/url"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/loadbalancer"
)

// lbDetails is a classic load balancer OCI accepts.
func (b *bench) lbDetails(subnet core.Subnet) loadbalancer.CreateLoadBalancerDetails {
	return loadbalancer.CreateLoadBalancerDetails{
		CompartmentId: b.compartment(), DisplayName: common.String("api"), SubnetIds: []string{*subnet.Id}, ShapeName: common.String("flexible"),
		ShapeDetails: &loadbalancer.ShapeDetails{MinimumBandwidthInMbps: common.Int(10), MaximumBandwidthInMbps: common.Int(100)},
		Listeners: map[string]loadbalancer.ListenerDetails{"api": {DefaultBackendSetName: common.String("nodes"),
			Port: common.Int(6443), Protocol: common.String("TCP")}},
		BackendSets: map[string]loadbalancer.BackendSetDetails{"nodes": {Policy: common.String("ROUND_ROBIN"),
			HealthChecker: &loadbalancer.HealthCheckerDetails{Protocol: common.String("TCP"), Port: common.Int(6443)}}},
	}
}

// lb makes an ACTIVE classic load balancer and returns its OCID.
func (b *bench) lb(subnet core.Subnet) *string {
	created, err := b.classic.CreateLoadBalancer(b.t.Context(), loadbalancer.CreateLoadBalancerRequest{CreateLoadBalancerDetails: b.lbDetails(subnet)})
	b.g.Expect(err).NotTo(HaveOccurred())
	b.clock.Advance(step)
	return b.lbWork(created.OpcWorkRequestId).LoadBalancerId
}

func (b *bench) lbWork(id *string) loadbalancer.WorkRequest {
	work, err := b.classic.GetWorkRequest(b.t.Context(), loadbalancer.GetWorkRequestRequest{WorkRequestId: id})
	b.g.Expect(err).NotTo(HaveOccurred())
	return work.WorkRequest
}

func (b *bench) getLb(id *string) loadbalancer.LoadBalancer {
	got, err := b.classic.GetLoadBalancer(b.t.Context(), loadbalancer.GetLoadBalancerRequest{LoadBalancerId: id})
	b.g.Expect(err).NotTo(HaveOccurred())
	return got.LoadBalancer
}

func (b *bench) deleteSubnet(id *string) error {
	_, err := b.network.DeleteSubnet(b.t.Context(), core.DeleteSubnetRequest{SubnetId: id})
	return err
}

func TestClassicLoadBalancerIsRefused(t *testing.T) {
	b := newBench(t)
	subnet := b.subnet(b.vcn("10.0.0.0/16"), "10.0.1.0/24", "lb")
	type details = loadbalancer.CreateLoadBalancerDetails
	for name, world := range map[string]struct {
		change func(*details)
		expect string
	}{
		"no flexible bandwidth":    {func(d *details) { d.ShapeDetails = nil }, "400 MissingParameter"},
		"bandwidth upside down":    {func(d *details) { d.ShapeDetails.MinimumBandwidthInMbps = common.Int(200) }, "400 InvalidParameter"},
		"details of a fixed shape": {func(d *details) { d.ShapeName = common.String("100Mbps") }, "400 InvalidParameter"},
		"unknown shape":            {func(d *details) { d.ShapeName = common.String("huge") }, "400 InvalidParameter"},
		"no subnet":                {func(d *details) { d.SubnetIds = []string{} }, "400 InvalidParameter"},
		"unknown subnet":           {func(d *details) { d.SubnetIds = []string{"ocid1.subnet.x"} }, "404 NotAuthorizedOrNotFound"},
		"unknown group":            {func(d *details) { d.NetworkSecurityGroupIds = []string{"ocid1.networksecuritygroup.x"} }, "400 RelatedResourceNotAuthorizedOrNotFound"},
		"listener without set":     {func(d *details) { d.BackendSets = nil }, "400 InvalidParameter"},
		"policy of the other kind": {func(d *details) {
			set := d.BackendSets["nodes"]
			set.Policy = common.String("FIVE_TUPLE")
			d.BackendSets["nodes"] = set
		}, "400 InvalidParameter"},
		"HTTP check without path": {func(d *details) { d.BackendSets["nodes"].HealthChecker.Protocol = common.String("HTTP") }, "400 MissingParameter"},
		"reserved address":        {func(d *details) { d.ReservedIps = []loadbalancer.ReservedIp{{Id: common.String("ocid1.publicip.x")}} }, "404 NotAuthorizedOrNotFound"},
	} {
		t.Run(name, func(t *testing.T) {
			details := b.lbDetails(subnet)
			world.change(&details)
			_, err := b.classic.CreateLoadBalancer(b.t.Context(), loadbalancer.CreateLoadBalancerRequest{CreateLoadBalancerDetails: details})
			NewWithT(t).Expect(refusal(err)).To(Equal(world.expect))
		})
	}
}

func TestClassicLoadBalancerLivesByWorkRequests(t *testing.T) {
	b := newBench(t)
	g := b.g
	subnet := b.subnet(b.vcn("10.0.0.0/16"), "10.0.1.0/24", "lb")
	request := loadbalancer.CreateLoadBalancerRequest{CreateLoadBalancerDetails: b.lbDetails(subnet), OpcRetryToken: common.String("once")}
	created, err := b.classic.CreateLoadBalancer(t.Context(), request)
	g.Expect(err).NotTo(HaveOccurred())
	again, err := b.classic.CreateLoadBalancer(t.Context(), request)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(*again.OpcWorkRequestId).To(Equal(*created.OpcWorkRequestId))
	work := b.lbWork(created.OpcWorkRequestId)
	id := work.LoadBalancerId
	g.Expect(work.LifecycleState).To(Equal(loadbalancer.WorkRequestLifecycleStateAccepted))
	g.Expect(b.getLb(id).LifecycleState).To(Equal(loadbalancer.LoadBalancerLifecycleStateCreating))
	b.clock.Advance(step)
	g.Expect(b.lbWork(created.OpcWorkRequestId).LifecycleState).To(Equal(loadbalancer.WorkRequestLifecycleStateSucceeded))
	g.Expect(b.getLb(id).LifecycleState).To(Equal(loadbalancer.LoadBalancerLifecycleStateActive))
	g.Expect(*b.getLb(id).IpAddresses[0].IsPublic).To(BeTrue())
	listed, err := b.classic.ListLoadBalancers(t.Context(), loadbalancer.ListLoadBalancersRequest{CompartmentId: b.compartment(), DisplayName: common.String("api")})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(listed.Items).To(HaveLen(1))
	g.Expect(refusal(b.deleteSubnet(subnet.Id))).To(Equal("409 Conflict"))

	_, err = b.classic.UpdateLoadBalancer(t.Context(), loadbalancer.UpdateLoadBalancerRequest{LoadBalancerId: id,
		UpdateLoadBalancerDetails: loadbalancer.UpdateLoadBalancerDetails{DisplayName: common.String("new")}})
	g.Expect(err).NotTo(HaveOccurred())
	_, err = b.classic.DeleteLoadBalancer(t.Context(), loadbalancer.DeleteLoadBalancerRequest{LoadBalancerId: id})
	g.Expect(refusal(err)).To(Equal("409 IncorrectState"), "a change is under way")
	b.clock.Advance(step)
	g.Expect(*b.getLb(id).DisplayName).To(Equal("new"))
	_, err = b.classic.DeleteLoadBalancer(t.Context(), loadbalancer.DeleteLoadBalancerRequest{LoadBalancerId: id})
	g.Expect(err).NotTo(HaveOccurred())
	left, err := b.sim.Leftovers("one")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(left).To(ContainElement(HaveField("ID", *id)), "DELETING is not yet gone")
	b.clock.Advance(step)
	_, err = b.classic.GetLoadBalancer(t.Context(), loadbalancer.GetLoadBalancerRequest{LoadBalancerId: id})
	g.Expect(refusal(err)).To(Equal("404 NotAuthorizedOrNotFound"))
	left, err = b.sim.Leftovers("one")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(left).NotTo(ContainElement(HaveField("ID", *id)))
	_, err = b.classic.CreateLoadBalancer(t.Context(), request)
	g.Expect(refusal(err)).To(Equal("409 InvalidatedRetryToken"))
	_, err = b.classic.ListWorkRequests(t.Context(), loadbalancer.ListWorkRequestsRequest{LoadBalancerId: id})
	g.Expect(refusal(err)).To(Equal("404 NotAuthorizedOrNotFound"))
	g.Expect(b.deleteSubnet(subnet.Id)).To(Succeed())
}

func TestClassicBackendsComeAndGo(t *testing.T) {
	b := newBench(t)
	g := b.g
	id := b.lb(b.subnet(b.vcn("10.0.0.0/16"), "10.0.1.0/24", "lb"))
	add := func(set, address string, port int) error {
		_, err := b.classic.CreateBackend(t.Context(), loadbalancer.CreateBackendRequest{LoadBalancerId: id, BackendSetName: common.String(set),
			CreateBackendDetails: loadbalancer.CreateBackendDetails{IpAddress: common.String(address), Port: common.Int(port)}})
		return err
	}
	remove := func(name string) error {
		_, err := b.classic.DeleteBackend(t.Context(), loadbalancer.DeleteBackendRequest{LoadBalancerId: id,
			BackendSetName: common.String("nodes"), BackendName: common.String(url.QueryEscape(name))})
		return err
	}
	g.Expect(add("nodes", "10.0.0.2", 6443)).To(Succeed())
	g.Expect(b.getLb(id).BackendSets["nodes"].Backends).To(BeEmpty(), "the work request has not ended")
	g.Expect(refusal(add("nodes", "10.0.0.3", 6443))).To(Equal("409 IncorrectState"))
	b.clock.Advance(step)
	g.Expect(*b.getLb(id).BackendSets["nodes"].Backends[0].Name).To(Equal("10.0.0.2:6443"))
	g.Expect(refusal(add("nodes", "10.0.0.2", 6443))).To(Equal("409 Conflict"))
	g.Expect(refusal(add("other", "10.0.0.3", 6443))).To(Equal("404 NotAuthorizedOrNotFound"))
	g.Expect(refusal(add("nodes", "node", 6443))).To(Equal("400 InvalidParameter"))
	g.Expect(refusal(add("nodes", "10.0.0.3", 0))).To(Equal("400 InvalidParameter"))
	g.Expect(refusal(remove("10.0.0.3:6443"))).To(Equal("404 NotAuthorizedOrNotFound"))
	g.Expect(remove("10.0.0.2:6443")).To(Succeed())
	b.clock.Advance(step)
	g.Expect(b.getLb(id).BackendSets["nodes"].Backends).To(BeEmpty())
}

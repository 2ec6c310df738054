// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package sim_test

import (
	"testing"

	. "github.com/onsi/gomega"
	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/loadbalancer"
	"github.com/oracle/oci-go-sdk/v65/networkloadbalancer"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

// nlbRequest is a network load balancer OCI accepts.
func (b *bench) nlbRequest(subnet core.Subnet) networkloadbalancer.CreateNetworkLoadBalancerRequest {
	return networkloadbalancer.CreateNetworkLoadBalancerRequest{
		CreateNetworkLoadBalancerDetails: networkloadbalancer.CreateNetworkLoadBalancerDetails{
			CompartmentId: b.compartment(), DisplayName: common.String("api"), SubnetId: subnet.Id,
			Listeners: map[string]networkloadbalancer.ListenerDetails{"api": {
				Name: common.String("api"), DefaultBackendSetName: common.String("nodes"),
				Port: common.Int(6443), Protocol: networkloadbalancer.ListenerProtocolsTcp,
			}},
			BackendSets: map[string]networkloadbalancer.BackendSetDetails{"nodes": {HealthChecker: &networkloadbalancer.HealthChecker{
				Protocol: networkloadbalancer.HealthCheckProtocolsTcp, Port: common.Int(6443),
			}}},
		},
	}
}

// nlb makes an ACTIVE network load balancer and returns its OCID.
func (b *bench) nlb(request networkloadbalancer.CreateNetworkLoadBalancerRequest) *string {
	created, err := b.balancers.CreateNetworkLoadBalancer(b.t.Context(), request)
	b.g.Expect(err).NotTo(HaveOccurred())
	b.clock.Advance(step)
	return created.Id
}

func (b *bench) getNlb(id *string) networkloadbalancer.NetworkLoadBalancer {
	got, err := b.balancers.GetNetworkLoadBalancer(b.t.Context(), networkloadbalancer.GetNetworkLoadBalancerRequest{NetworkLoadBalancerId: id})
	b.g.Expect(err).NotTo(HaveOccurred())
	return got.NetworkLoadBalancer
}

func TestANetworkLoadBalancerIsPrivateAndPreservesSourcesUnlessToldOtherwise(t *testing.T) {
	b := newBench(t)
	id := b.nlb(b.nlbRequest(b.subnet(b.vcn("10.0.0.0/16"), "10.0.0.0/24", "nodes")))

	got := b.getNlb(id)

	b.g.Expect(got.IsPrivate).To(HaveValue(BeTrue()))
	b.g.Expect(got.IpAddresses).To(HaveLen(1))
	b.g.Expect(got.BackendSets["nodes"].IsPreserveSource).To(HaveValue(BeTrue()))
}

func TestAnInstanceIsABackendByItsAddressUntilItIsDrained(t *testing.T) {
	b := newBench(t)
	subnet := b.subnet(b.vcn("10.0.0.0/16"), "10.0.0.0/24", "nodes")
	instance := *b.running(subnet).Id
	other := *b.running(b.subnet(b.vcn("10.0.0.0/16"), "10.0.0.0/24", "nodes")).Id
	request := b.nlbRequest(subnet)
	id := b.nlb(request)
	b.g.Expect(b.sim.IsBackend(instance)).To(BeFalse())

	_, err := b.balancers.CreateBackend(b.t.Context(), networkloadbalancer.CreateBackendRequest{
		NetworkLoadBalancerId: id, BackendSetName: common.String("nodes"),
		CreateBackendDetails: networkloadbalancer.CreateBackendDetails{IpAddress: common.String("10.0.0.2"), Port: common.Int(6443)},
	})
	b.g.Expect(err).NotTo(HaveOccurred())
	b.clock.Advance(step)
	b.g.Expect(b.sim.IsBackend(instance)).To(BeTrue())
	b.g.Expect(b.sim.IsBackend(other)).To(BeFalse(), "the other one has the address in another network")

	_, err = b.balancers.UpdateBackend(b.t.Context(), networkloadbalancer.UpdateBackendRequest{
		NetworkLoadBalancerId: id, BackendSetName: common.String("nodes"), BackendName: common.String("10.0.0.2:6443"),
		UpdateBackendDetails: networkloadbalancer.UpdateBackendDetails{IsDrain: common.Bool(true)},
	})
	b.g.Expect(err).NotTo(HaveOccurred())
	b.clock.Advance(step)
	b.g.Expect(b.sim.IsBackend(instance)).To(BeFalse())
}

func TestPartsOfANetworkLoadBalancerChangeAtTheEndOfTheirWorkRequest(t *testing.T) {
	b := newBench(t)
	g, ctx := b.g, t.Context()
	vcn := b.vcn("10.0.0.0/16")
	id := b.nlb(b.nlbRequest(b.subnet(vcn, "10.0.0.0/24", "nodes")))
	group, err := b.network.CreateNetworkSecurityGroup(ctx, core.CreateNetworkSecurityGroupRequest{
		CreateNetworkSecurityGroupDetails: core.CreateNetworkSecurityGroupDetails{CompartmentId: b.compartment(), VcnId: vcn.Id}})
	g.Expect(err).NotTo(HaveOccurred())
	api, nodes, more := common.String("api"), common.String("nodes"), common.String("more")
	check := &networkloadbalancer.HealthCheckerDetails{Protocol: networkloadbalancer.HealthCheckProtocolsTcp, Port: common.Int(22)}
	for name, change := range map[string]struct {
		do   func() error
		seen func(networkloadbalancer.NetworkLoadBalancer) any
		want any
	}{
		"listener": {func() error {
			_, err := b.balancers.UpdateListener(ctx, networkloadbalancer.UpdateListenerRequest{NetworkLoadBalancerId: id, ListenerName: api,
				UpdateListenerDetails: networkloadbalancer.UpdateListenerDetails{Port: common.Int(443)}})
			return err
		}, func(n networkloadbalancer.NetworkLoadBalancer) any { return *n.Listeners["api"].Port }, 443},
		"backend set": {func() error {
			_, err := b.balancers.UpdateBackendSet(ctx, networkloadbalancer.UpdateBackendSetRequest{NetworkLoadBalancerId: id, BackendSetName: nodes,
				UpdateBackendSetDetails: networkloadbalancer.UpdateBackendSetDetails{IsFailOpen: common.Bool(true), HealthChecker: check}})
			return err
		}, func(n networkloadbalancer.NetworkLoadBalancer) any { return *n.BackendSets["nodes"].HealthChecker.Port }, 22},
		"new backend set": {func() error {
			_, err := b.balancers.CreateBackendSet(ctx, networkloadbalancer.CreateBackendSetRequest{NetworkLoadBalancerId: id,
				CreateBackendSetDetails: networkloadbalancer.CreateBackendSetDetails{Name: more, Policy: "FIVE_TUPLE", HealthChecker: check}})
			return err
		}, func(n networkloadbalancer.NetworkLoadBalancer) any { return len(n.BackendSets) }, 2},
		"groups": {func() error {
			_, err := b.balancers.UpdateNetworkSecurityGroups(ctx, networkloadbalancer.UpdateNetworkSecurityGroupsRequest{NetworkLoadBalancerId: id,
				UpdateNetworkSecurityGroupsDetails: networkloadbalancer.UpdateNetworkSecurityGroupsDetails{NetworkSecurityGroupIds: []string{*group.Id}}})
			return err
		}, func(n networkloadbalancer.NetworkLoadBalancer) any { return n.NetworkSecurityGroupIds }, []string{*group.Id}},
	} {
		before := change.seen(b.getNlb(id))
		g.Expect(change.do()).To(Succeed(), name)
		g.Expect(b.getNlb(id).LifecycleState).To(Equal(networkloadbalancer.LifecycleStateUpdating), name)
		g.Expect(change.seen(b.getNlb(id))).To(Equal(before), name)
		b.clock.Advance(step)
		g.Expect(b.getNlb(id).LifecycleState).To(Equal(networkloadbalancer.LifecycleStateActive), name)
		g.Expect(change.seen(b.getNlb(id))).To(Equal(change.want), name)
	}
	_, err = b.balancers.DeleteBackendSet(ctx, networkloadbalancer.DeleteBackendSetRequest{NetworkLoadBalancerId: id, BackendSetName: nodes})
	g.Expect(refusal(err)).To(Equal("409 Conflict"), "a listener uses it")
	_, err = b.balancers.DeleteListener(ctx, networkloadbalancer.DeleteListenerRequest{NetworkLoadBalancerId: id, ListenerName: api})
	g.Expect(err).NotTo(HaveOccurred())
	b.clock.Advance(step)
	_, err = b.balancers.CreateListener(ctx, networkloadbalancer.CreateListenerRequest{NetworkLoadBalancerId: id,
		CreateListenerDetails: networkloadbalancer.CreateListenerDetails{Name: api, DefaultBackendSetName: common.String("none"), Port: common.Int(1), Protocol: "TCP"}})
	g.Expect(refusal(err)).To(Equal("400 InvalidParameter"), "there is no such backend set")
}

func TestPartsOfAClassicLoadBalancerAreReplacedAsAWhole(t *testing.T) {
	b := newBench(t)
	g, ctx := b.g, t.Context()
	id := b.lb(b.subnet(b.vcn("10.0.0.0/16"), "10.0.1.0/24", "lb"))
	api, nodes := common.String("api"), common.String("nodes")
	check := &loadbalancer.HealthCheckerDetails{Protocol: common.String("TCP"), Port: common.Int(22)}
	done := func(err error) {
		g.Expect(err).NotTo(HaveOccurred())
		b.clock.Advance(step)
	}

	_, err := b.classic.UpdateListener(ctx, loadbalancer.UpdateListenerRequest{LoadBalancerId: id, ListenerName: api,
		UpdateListenerDetails: loadbalancer.UpdateListenerDetails{DefaultBackendSetName: nodes, Port: common.Int(443), Protocol: common.String("TCP")}})
	done(err)
	_, err = b.classic.UpdateBackendSet(ctx, loadbalancer.UpdateBackendSetRequest{LoadBalancerId: id, BackendSetName: nodes,
		UpdateBackendSetDetails: loadbalancer.UpdateBackendSetDetails{Policy: common.String("IP_HASH"), HealthChecker: check,
			Backends: []loadbalancer.BackendDetails{{IpAddress: common.String("10.0.0.9"), Port: common.Int(6443)}}}})
	done(err)
	_, err = b.classic.UpdateLoadBalancerShape(ctx, loadbalancer.UpdateLoadBalancerShapeRequest{LoadBalancerId: id,
		UpdateLoadBalancerShapeDetails: loadbalancer.UpdateLoadBalancerShapeDetails{ShapeName: common.String("flexible"),
			ShapeDetails: &loadbalancer.ShapeDetails{MinimumBandwidthInMbps: common.Int(20), MaximumBandwidthInMbps: common.Int(20)}}})
	done(err)

	got := b.getLb(id)
	g.Expect(*got.Listeners["api"].Port).To(Equal(443))
	g.Expect(got.BackendSets["nodes"].Backends).To(HaveLen(1))
	g.Expect(*got.ShapeDetails.MaximumBandwidthInMbps).To(Equal(20))
}

func TestAReservedAddressIsTakenOnceAndOutlivesTheLoadBalancer(t *testing.T) {
	b := newBench(t)
	g, ctx := b.g, t.Context()
	subnet := b.subnet(b.vcn("10.0.0.0/16"), "10.0.0.0/24", "nodes")
	reserved, err := b.network.CreatePublicIp(ctx, core.CreatePublicIpRequest{CreatePublicIpDetails: core.CreatePublicIpDetails{
		CompartmentId: b.compartment(), Lifetime: core.CreatePublicIpDetailsLifetimeReserved}})
	g.Expect(err).NotTo(HaveOccurred())
	b.clock.Advance(step)
	request := b.nlbRequest(subnet)
	request.ReservedIps = []networkloadbalancer.ReservedIp{{Id: reserved.Id}}
	_, err = b.balancers.CreateNetworkLoadBalancer(ctx, request)
	g.Expect(refusal(err)).To(Equal("400 InvalidParameter"), "it is private")
	request.IsPrivate = common.Bool(false)
	id := b.nlb(request)
	g.Expect(*b.getNlb(id).IpAddresses[1].IpAddress).To(Equal(*reserved.IpAddress))
	_, err = b.balancers.CreateNetworkLoadBalancer(ctx, request)
	g.Expect(refusal(err)).To(Equal("409 Conflict"))

	_, err = b.balancers.DeleteNetworkLoadBalancer(ctx, networkloadbalancer.DeleteNetworkLoadBalancerRequest{NetworkLoadBalancerId: id})
	g.Expect(err).NotTo(HaveOccurred())
	b.clock.Advance(step)

	kept, err := b.network.GetPublicIp(ctx, core.GetPublicIpRequest{PublicIpId: reserved.Id})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(kept.LifecycleState).To(Equal(core.PublicIpLifecycleStateAvailable))
}

func TestWorkRequestsOfLoadBalancersFail(t *testing.T) {
	b := newBench(t)
	g, ctx := b.g, t.Context()
	subnet := b.subnet(b.vcn("10.0.0.0/16"), "10.0.0.0/24", "nodes")
	for _, operation := range []string{"CreateNetworkLoadBalancer", "CreateLoadBalancer", "CreateLoadBalancerBackend"} {
		b.sim.AddFault(sim.Fault{Operation: operation, WorkRequestFails: true, Code: "InternalError", Message: "No host."})
	}

	created, err := b.balancers.CreateNetworkLoadBalancer(ctx, b.nlbRequest(subnet))
	g.Expect(err).NotTo(HaveOccurred())
	b.clock.Advance(step)
	g.Expect(b.getNlb(created.Id).LifecycleState).To(Equal(networkloadbalancer.LifecycleStateFailed))
	failures, err := b.balancers.ListWorkRequestErrors(ctx, networkloadbalancer.ListWorkRequestErrorsRequest{WorkRequestId: created.OpcWorkRequestId,
		CompartmentId: b.compartment()})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(*failures.Items[0].Message).To(Equal("No host."))
	_, err = b.balancers.DeleteNetworkLoadBalancer(ctx, networkloadbalancer.DeleteNetworkLoadBalancerRequest{NetworkLoadBalancerId: created.Id})
	g.Expect(err).NotTo(HaveOccurred())
	b.clock.Advance(step)
	_, err = b.balancers.GetNetworkLoadBalancer(t.Context(), networkloadbalancer.GetNetworkLoadBalancerRequest{NetworkLoadBalancerId: created.Id})
	g.Expect(refusal(err)).To(Equal("404 NotAuthorizedOrNotFound"))

	classic, err := b.classic.CreateLoadBalancer(ctx, loadbalancer.CreateLoadBalancerRequest{CreateLoadBalancerDetails: b.lbDetails(subnet)})
	g.Expect(err).NotTo(HaveOccurred())
	b.clock.Advance(step)
	work := b.lbWork(classic.OpcWorkRequestId)
	g.Expect(work.LifecycleState).To(Equal(loadbalancer.WorkRequestLifecycleStateFailed))
	g.Expect(*work.ErrorDetails[0].Message).To(Equal("No host."))
	g.Expect(b.getLb(work.LoadBalancerId).LifecycleState).To(Equal(loadbalancer.LoadBalancerLifecycleStateFailed))

	id := b.lb(subnet)
	added, err := b.classic.CreateBackend(ctx, loadbalancer.CreateBackendRequest{LoadBalancerId: id, BackendSetName: common.String("nodes"),
		CreateBackendDetails: loadbalancer.CreateBackendDetails{IpAddress: common.String("10.0.0.9"), Port: common.Int(6443)}})
	g.Expect(err).NotTo(HaveOccurred())
	b.clock.Advance(step)
	g.Expect(b.lbWork(added.OpcWorkRequestId).LifecycleState).To(Equal(loadbalancer.WorkRequestLifecycleStateFailed))
	g.Expect(b.getLb(id).BackendSets["nodes"].Backends).To(BeEmpty())
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package sim_test

import (
	"testing"

	. "github.com/onsi/gomega"
	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
)

func TestSubnetIsRefused(t *testing.T) {
	b := newBench(t)
	vcn := b.vcn("10.0.0.0/16")
	b.subnet(vcn, "10.0.1.0/24", "taken")
	for name, world := range map[string]struct {
		change func(*core.CreateSubnetDetails)
		expect string
	}{
		"outside the network":         {func(d *core.CreateSubnetDetails) { d.CidrBlock = common.String("10.1.0.0/24") }, "400 InvalidParameter"},
		"larger than the network":     {func(d *core.CreateSubnetDetails) { d.CidrBlock = common.String("10.0.0.0/15") }, "400 InvalidParameter"},
		"same as another":             {func(d *core.CreateSubnetDetails) { d.CidrBlock = common.String("10.0.1.0/24") }, "400 InvalidParameter"},
		"overlapping another":         {func(d *core.CreateSubnetDetails) { d.CidrBlock = common.String("10.0.0.0/22") }, "400 InvalidParameter"},
		"too small":                   {func(d *core.CreateSubnetDetails) { d.CidrBlock = common.String("10.0.2.0/31") }, "400 InvalidParameter"},
		"host bits set":               {func(d *core.CreateSubnetDetails) { d.CidrBlock = common.String("10.0.2.1/24") }, "400 InvalidParameter"},
		"no CIDR":                     {func(d *core.CreateSubnetDetails) { d.CidrBlock = nil }, "400 MissingParameter"},
		"unknown network":             {func(d *core.CreateSubnetDetails) { d.VcnId = common.String("ocid1.vcn.x") }, "404 NotAuthorizedOrNotFound"},
		"unknown availability domain": {func(d *core.CreateSubnetDetails) { d.AvailabilityDomain = common.String("x") }, "400 InvalidParameter"},
		"DNS label taken":             {func(d *core.CreateSubnetDetails) { d.DnsLabel = common.String("taken") }, "400 InvalidParameter"},
		"DNS label malformed":         {func(d *core.CreateSubnetDetails) { d.DnsLabel = common.String("a-b") }, "400 InvalidParameter"},
		"unknown route table":         {func(d *core.CreateSubnetDetails) { d.RouteTableId = common.String("ocid1.routetable.x") }, "400 RelatedResourceNotAuthorizedOrNotFound"},
		"contradicting privacy": {func(d *core.CreateSubnetDetails) {
			d.ProhibitInternetIngress, d.ProhibitPublicIpOnVnic = common.Bool(true), common.Bool(false)
		}, "400 InvalidParameter"},
	} {
		t.Run(name, func(t *testing.T) {
			details := core.CreateSubnetDetails{CompartmentId: b.compartment(), VcnId: vcn.Id, CidrBlock: common.String("10.0.2.0/24")}
			world.change(&details)
			_, err := b.network.CreateSubnet(b.t.Context(), core.CreateSubnetRequest{CreateSubnetDetails: details})
			NewWithT(t).Expect(refusal(err)).To(Equal(world.expect))
		})
	}
}

func TestVcnIsRefused(t *testing.T) {
	b := newBench(t)
	for name, blocks := range map[string][]string{
		"too large":   {"10.0.0.0/15"},
		"too small":   {"10.0.0.0/31"},
		"overlapping": {"10.0.0.0/16", "10.0.1.0/24"},
		"malformed":   {"10.0.0.0"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := b.network.CreateVcn(b.t.Context(), core.CreateVcnRequest{CreateVcnDetails: core.CreateVcnDetails{CompartmentId: b.compartment(), CidrBlocks: blocks}})
			NewWithT(t).Expect(refusal(err)).To(Equal("400 InvalidParameter"))
		})
	}
}

func TestSecurityRuleIsRefused(t *testing.T) {
	b := newBench(t)
	group := b.group(b.vcn("10.0.0.0/16"))
	for name, world := range map[string]struct {
		change func(*core.AddSecurityRuleDetails)
		expect string
	}{
		"no source":          {func(d *core.AddSecurityRuleDetails) { d.Source = nil }, "400 MissingParameter"},
		"no source type":     {func(d *core.AddSecurityRuleDetails) { d.SourceType = "" }, "400 MissingParameter"},
		"no CIDR":            {func(d *core.AddSecurityRuleDetails) { d.Source = common.String("anywhere") }, "400 InvalidParameter"},
		"a destination too":  {func(d *core.AddSecurityRuleDetails) { d.Destination = common.String("0.0.0.0/0") }, "400 InvalidParameter"},
		"ports of TCP":       {func(d *core.AddSecurityRuleDetails) { d.Protocol = common.String("6") }, "400 InvalidParameter"},
		"ports upside down":  {func(d *core.AddSecurityRuleDetails) { d.UdpOptions = udp(2, 1) }, "400 InvalidParameter"},
		"ports out of range": {func(d *core.AddSecurityRuleDetails) { d.UdpOptions = udp(1, 65536) }, "400 InvalidParameter"},
		"unknown protocol":   {func(d *core.AddSecurityRuleDetails) { d.Protocol = common.String("udp") }, "400 InvalidParameter"},
		"unknown group": {func(d *core.AddSecurityRuleDetails) {
			d.SourceType, d.Source = core.AddSecurityRuleDetailsSourceTypeNetworkSecurityGroup, common.String("ocid1.networksecuritygroup.x")
		}, "404 NotAuthorizedOrNotFound"},
	} {
		t.Run(name, func(t *testing.T) {
			rule := tailnetRule()
			world.change(&rule)
			_, err := b.network.AddNetworkSecurityGroupSecurityRules(b.t.Context(), rulesFor(group, rule))
			NewWithT(t).Expect(refusal(err)).To(Equal(world.expect))
		})
	}
	_, err := b.network.AddNetworkSecurityGroupSecurityRules(b.t.Context(), rulesFor(group, make([]core.AddSecurityRuleDetails, 26)...))
	b.g.Expect(err).To(HaveOccurred(), "at most 25 rules a call")
}

func udp(low, high int) *core.UdpOptions {
	return &core.UdpOptions{DestinationPortRange: &core.PortRange{Min: common.Int(low), Max: common.Int(high)}}
}

func tailnetRule() core.AddSecurityRuleDetails {
	return core.AddSecurityRuleDetails{Direction: core.AddSecurityRuleDetailsDirectionIngress, Protocol: common.String("17"),
		Source: common.String("0.0.0.0/0"), SourceType: core.AddSecurityRuleDetailsSourceTypeCidrBlock, UdpOptions: udp(41641, 41641)}
}

func rulesFor(group core.NetworkSecurityGroup, rules ...core.AddSecurityRuleDetails) core.AddNetworkSecurityGroupSecurityRulesRequest {
	return core.AddNetworkSecurityGroupSecurityRulesRequest{NetworkSecurityGroupId: group.Id,
		AddNetworkSecurityGroupSecurityRulesDetails: core.AddNetworkSecurityGroupSecurityRulesDetails{SecurityRules: rules}}
}

func (b *bench) group(vcn core.Vcn) core.NetworkSecurityGroup {
	response, err := b.network.CreateNetworkSecurityGroup(b.t.Context(), core.CreateNetworkSecurityGroupRequest{
		CreateNetworkSecurityGroupDetails: core.CreateNetworkSecurityGroupDetails{CompartmentId: b.compartment(), VcnId: vcn.Id}})
	b.g.Expect(err).NotTo(HaveOccurred())
	b.clock.Advance(step)
	return response.NetworkSecurityGroup
}

func TestSecurityRulesRoundTrip(t *testing.T) {
	b := newBench(t)
	group := b.group(b.vcn("10.0.0.0/16"))
	added, err := b.network.AddNetworkSecurityGroupSecurityRules(b.t.Context(), rulesFor(group, tailnetRule(), tailnetRule()))
	b.g.Expect(err).NotTo(HaveOccurred())
	list := core.ListNetworkSecurityGroupSecurityRulesRequest{NetworkSecurityGroupId: group.Id, Direction: core.ListNetworkSecurityGroupSecurityRulesDirectionIngress}
	listed, err := b.network.ListNetworkSecurityGroupSecurityRules(b.t.Context(), list)
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(listed.Items).To(HaveLen(2))
	b.g.Expect(*listed.Items[0].UdpOptions.DestinationPortRange.Max).To(Equal(41641))
	b.g.Expect(listed.Items[0].IsStateless).To(BeNil(), "OCI leaves out what is false")
	_, err = b.network.RemoveNetworkSecurityGroupSecurityRules(b.t.Context(), core.RemoveNetworkSecurityGroupSecurityRulesRequest{NetworkSecurityGroupId: group.Id,
		RemoveNetworkSecurityGroupSecurityRulesDetails: core.RemoveNetworkSecurityGroupSecurityRulesDetails{SecurityRuleIds: []string{*added.SecurityRules[0].Id}}})
	b.g.Expect(err).NotTo(HaveOccurred())
	listed, err = b.network.ListNetworkSecurityGroupSecurityRules(b.t.Context(), list)
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(listed.Items).To(HaveLen(1))
}

// routedSubnet makes a subnet with its own route table to an internet gateway.
func (b *bench) routedSubnet(vcn core.Vcn) (core.InternetGateway, core.RouteTable, core.Subnet) {
	g := b.g
	gateway, err := b.network.CreateInternetGateway(b.t.Context(), core.CreateInternetGatewayRequest{CreateInternetGatewayDetails: core.CreateInternetGatewayDetails{
		CompartmentId: b.compartment(), VcnId: vcn.Id, IsEnabled: common.Bool(true)}})
	g.Expect(err).NotTo(HaveOccurred())
	table, err := b.network.CreateRouteTable(b.t.Context(), core.CreateRouteTableRequest{CreateRouteTableDetails: core.CreateRouteTableDetails{
		CompartmentId: b.compartment(), VcnId: vcn.Id, RouteRules: []core.RouteRule{{NetworkEntityId: gateway.Id,
			Destination: common.String("0.0.0.0/0"), DestinationType: core.RouteRuleDestinationTypeCidrBlock}}}})
	g.Expect(err).NotTo(HaveOccurred())
	created, err := b.network.CreateSubnet(b.t.Context(), core.CreateSubnetRequest{CreateSubnetDetails: core.CreateSubnetDetails{
		CompartmentId: b.compartment(), VcnId: vcn.Id, CidrBlock: common.String("10.0.0.0/24"), RouteTableId: table.Id}})
	g.Expect(err).NotTo(HaveOccurred())
	b.clock.Advance(step)
	return gateway.InternetGateway, table.RouteTable, created.Subnet
}

func TestWhatIsInUseCannotBeDeleted(t *testing.T) {
	b := newBench(t)
	g := b.g
	vcn := b.vcn("10.0.0.0/16")
	gateway, table, subnet := b.routedSubnet(vcn)
	group := b.group(vcn)
	details := b.launchDetails(subnet)
	details.CreateVnicDetails.NsgIds = []string{*group.Id}
	instance, err := b.launch(details)
	g.Expect(err).NotTo(HaveOccurred())
	b.clock.Advance(step)

	deleteGroup := func() error {
		_, err := b.network.DeleteNetworkSecurityGroup(b.t.Context(), core.DeleteNetworkSecurityGroupRequest{NetworkSecurityGroupId: group.Id})
		return err
	}
	steps := []struct {
		name   string
		delete func() error
		early  string
	}{
		{"instance", func() error {
			_, err := b.compute.TerminateInstance(b.t.Context(), core.TerminateInstanceRequest{InstanceId: instance.Id})
			return err
		}, ""},
		{"subnet", func() error {
			_, err := b.network.DeleteSubnet(b.t.Context(), core.DeleteSubnetRequest{SubnetId: subnet.Id})
			return err
		}, "409 Conflict"},
		{"route table", func() error {
			_, err := b.network.DeleteRouteTable(b.t.Context(), core.DeleteRouteTableRequest{RtId: table.Id})
			return err
		}, "409 Conflict"},
		{"gateway", func() error {
			_, err := b.network.DeleteInternetGateway(b.t.Context(), core.DeleteInternetGatewayRequest{IgId: gateway.Id})
			return err
		}, "409 Conflict"},
		{"network", func() error {
			_, err := b.network.DeleteVcn(b.t.Context(), core.DeleteVcnRequest{VcnId: vcn.Id})
			return err
		}, "409 IncorrectState"},
	}
	for _, s := range steps[1:] {
		g.Expect(refusal(s.delete())).To(Equal(s.early), s.name)
	}
	g.Expect(refusal(deleteGroup())).To(Equal("409 Conflict"))
	for i, s := range steps {
		g.Expect(s.delete()).To(Succeed(), s.name)
		if i+1 < len(steps) {
			g.Expect(steps[i+1].delete()).NotTo(Succeed(), "%s while %s is still TERMINATING", steps[i+1].name, s.name)
		}
		b.clock.Advance(step)
		if s.name == "instance" {
			g.Expect(deleteGroup()).To(Succeed())
		}
	}
	left, err := b.sim.Leftovers("one")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(left).To(BeEmpty())
}

func TestDeletedNetworksAreNotFound(t *testing.T) {
	b := newBench(t)
	vcn := b.vcn("10.0.0.0/16")
	_, err := b.network.DeleteVcn(b.t.Context(), core.DeleteVcnRequest{VcnId: vcn.Id})
	b.g.Expect(err).NotTo(HaveOccurred())
	got, err := b.network.GetVcn(b.t.Context(), core.GetVcnRequest{VcnId: vcn.Id})
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(got.LifecycleState).To(Equal(core.VcnLifecycleStateTerminating))
	b.clock.Advance(step)
	_, err = b.network.GetVcn(b.t.Context(), core.GetVcnRequest{VcnId: vcn.Id})
	b.g.Expect(refusal(err)).To(Equal("404 NotAuthorizedOrNotFound"))
}

func TestServiceGatewayReachesServices(t *testing.T) {
	b := newBench(t)
	vcn := b.vcn("10.0.0.0/16")
	services, err := b.network.ListServices(b.t.Context(), core.ListServicesRequest{})
	b.g.Expect(err).NotTo(HaveOccurred())
	all := services.Items[1]
	b.g.Expect(*all.CidrBlock).To(HaveSuffix("-services-in-oracle-services-network"))
	gateway, err := b.network.CreateServiceGateway(b.t.Context(), core.CreateServiceGatewayRequest{CreateServiceGatewayDetails: core.CreateServiceGatewayDetails{
		CompartmentId: b.compartment(), VcnId: vcn.Id, Services: []core.ServiceIdRequestDetails{{ServiceId: all.Id}}}})
	b.g.Expect(err).NotTo(HaveOccurred())
	nat, err := b.network.CreateNatGateway(b.t.Context(), core.CreateNatGatewayRequest{CreateNatGatewayDetails: core.CreateNatGatewayDetails{CompartmentId: b.compartment(), VcnId: vcn.Id}})
	b.g.Expect(err).NotTo(HaveOccurred())
	_, err = b.network.UpdateRouteTable(b.t.Context(), core.UpdateRouteTableRequest{RtId: vcn.DefaultRouteTableId, UpdateRouteTableDetails: core.UpdateRouteTableDetails{RouteRules: []core.RouteRule{
		{NetworkEntityId: gateway.Id, Destination: all.CidrBlock, DestinationType: core.RouteRuleDestinationTypeServiceCidrBlock},
		{NetworkEntityId: nat.Id, Destination: common.String("0.0.0.0/0"), DestinationType: core.RouteRuleDestinationTypeCidrBlock}}}})
	b.g.Expect(err).NotTo(HaveOccurred())
	_, err = b.network.CreateNatGateway(b.t.Context(), core.CreateNatGatewayRequest{CreateNatGatewayDetails: core.CreateNatGatewayDetails{CompartmentId: b.compartment(), VcnId: vcn.Id}})
	b.g.Expect(refusal(err)).To(Equal("400 LimitExceeded"), "one of a kind per network")
}

func TestUpdatesRespectIfMatch(t *testing.T) {
	b := newBench(t)
	vcn := b.vcn("10.0.0.0/16")
	got, err := b.network.GetVcn(b.t.Context(), core.GetVcnRequest{VcnId: vcn.Id})
	b.g.Expect(err).NotTo(HaveOccurred())
	update := core.UpdateVcnRequest{VcnId: vcn.Id, IfMatch: got.Etag, UpdateVcnDetails: core.UpdateVcnDetails{DisplayName: common.String("new")}}
	updated, err := b.network.UpdateVcn(b.t.Context(), update)
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(*updated.DisplayName).To(Equal("new"))
	_, err = b.network.UpdateVcn(b.t.Context(), update)
	b.g.Expect(refusal(err)).To(Equal("412 NoEtagMatch"))
}

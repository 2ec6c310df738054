// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package network

import (
	"testing"

	. "github.com/onsi/gomega"
	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

// parts is all that a repair can put back, but for the OCIDs of rules.
type parts struct {
	Tables   []oci.RouteTable
	Internet []oci.InternetGateway
	NAT      []oci.NATGateway
	Subnet   oci.Subnet
	Rules    []string
}

func (b *bench) parts(state State) (all parts) {
	b.t.Helper()
	filter := oci.ListFilter{VCNID: state.VCNID, Tags: b.owner.Tags()}
	var err error
	all.Tables, err = b.client.ListRouteTables(b.t.Context(), filter)
	b.g.Expect(err).NotTo(HaveOccurred())
	all.Internet, err = b.client.ListInternetGateways(b.t.Context(), filter)
	b.g.Expect(err).NotTo(HaveOccurred())
	all.NAT, err = b.client.ListNATGateways(b.t.Context(), filter)
	b.g.Expect(err).NotTo(HaveOccurred())
	all.Subnet, err = b.client.GetSubnet(b.t.Context(), state.SubnetID)
	b.g.Expect(err).NotTo(HaveOccurred())
	all.Rules = b.rulesOf(state.NetworkSecurityGroupIDs[0])
	return all
}

// changes are what somebody does to a network with such a gateway.
var changes = map[string]struct {
	gateway infrav1.GatewayType
	change  func(*bench, State, parts) error
}{
	"a rule taken away": {infrav1.GatewayInternet, func(b *bench, state State, _ parts) error {
		rules, err := b.client.ListSecurityRules(b.t.Context(), state.NetworkSecurityGroupIDs[0])
		b.g.Expect(err).NotTo(HaveOccurred())
		own := ownership.Recorded(state.NetworkSecurityGroupIDs[0])
		return b.client.RemoveSecurityRules(b.t.Context(), own, []string{rules[0].ID})
	}},
	"a rule added": {infrav1.GatewayInternet, func(b *bench, state State, _ parts) error {
		own := ownership.Recorded(state.NetworkSecurityGroupIDs[0])
		return b.client.AddSecurityRules(b.t.Context(), own, []oci.SecurityRule{{Direction: oci.Ingress, Protocol: oci.ProtocolAll, CIDR: everywhere}})
	}},
	"the routes taken away": {infrav1.GatewayInternet, func(b *bench, _ State, all parts) error {
		own := ownership.Recorded(all.Tables[0].ID)
		return b.client.UpdateRouteTable(b.t.Context(), own, oci.RouteTableUpdate{Rules: []oci.RouteRule{}})
	}},
	"an internet gateway turned off": {infrav1.GatewayInternet, func(b *bench, _ State, all parts) error {
		return b.client.SetInternetGatewayEnabled(b.t.Context(), ownership.Recorded(all.Internet[0].ID), false)
	}},
	"a NAT gateway turned off": {infrav1.GatewayNAT, func(b *bench, _ State, all parts) error {
		return b.client.SetNATGatewayBlocked(b.t.Context(), ownership.Recorded(all.NAT[0].ID), true)
	}},
	"another route table for the subnet": {infrav1.GatewayInternet, func(b *bench, state State, all parts) error {
		vcn, err := b.client.GetVCN(b.t.Context(), state.VCNID)
		b.g.Expect(err).NotTo(HaveOccurred())
		return b.client.UpdateSubnet(b.t.Context(), ownership.Recorded(state.SubnetID), oci.SubnetUpdate{
			RouteTableID: vcn.DefaultRouteTableID, SecurityListIDs: all.Subnet.SecurityListIDs,
		})
	}},
	"one more security list for the subnet": {infrav1.GatewayInternet, func(b *bench, state State, all parts) error {
		return b.client.UpdateSubnet(b.t.Context(), ownership.Recorded(state.SubnetID), oci.SubnetUpdate{
			RouteTableID: all.Subnet.RouteTableID, SecurityListIDs: append([]string{b.securityList(state.VCNID)}, all.Subnet.SecurityListIDs...),
		})
	}},
}

// securityList makes one of the user's, with OCI's own client: the provider makes none.
func (b *bench) securityList(vcnID string) string {
	b.t.Helper()
	client, err := core.NewVirtualNetworkClientWithConfigurationProvider(common.NewRawConfigurationProvider(
		b.user.TenancyOCID, b.user.UserOCID, "us-ashburn-1", b.user.Fingerprint, b.user.PrivateKeyPEM, nil))
	b.g.Expect(err).NotTo(HaveOccurred())
	client.Host = b.sim.URL()
	made, err := client.CreateSecurityList(b.t.Context(), core.CreateSecurityListRequest{CreateSecurityListDetails: core.CreateSecurityListDetails{
		CompartmentId: common.String(b.tenancy.Compartment()), VcnId: &vcnID,
		IngressSecurityRules: []core.IngressSecurityRule{}, EgressSecurityRules: []core.EgressSecurityRule{},
	}})
	b.g.Expect(err).NotTo(HaveOccurred())
	return *made.Id
}

func TestWhatWasChangedBehindTheProvidersBackIsRepaired(t *testing.T) {
	for name, world := range changes {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			wanted := spec(func(s *infrav1.ManagedNetwork) { s.Gateway = world.gateway })
			state := b.ready(wanted)
			before := b.parts(state)
			b.g.Expect(world.change(b, state, before)).To(Succeed())
			b.g.Expect(b.parts(state)).NotTo(Equal(before))

			b.g.Expect(b.ready(wanted)).To(Equal(state))

			after := b.parts(state)
			b.g.Expect(after.Rules).To(ConsistOf(before.Rules))
			after.Rules = before.Rules
			b.g.Expect(after).To(Equal(before))
		})
	}
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

const vcnID = "ocid1.vcn.oc1..hhhh"

var ourTags = map[string]string{"owner": "uid-1"}

func TestListsKeepWhatTheFilterSays(t *testing.T) {
	// Each kind sees the same four: ours, another owner's, ours but gone, ours and going.
	four := `[{"id":"ours","lifecycleState":"AVAILABLE","freeformTags":{"owner":"uid-1","x":"y"}},
		{"id":"others","lifecycleState":"AVAILABLE","freeformTags":{"owner":"uid-2"}},
		{"id":"gone","lifecycleState":"TERMINATED","freeformTags":{"owner":"uid-1"}},
		{"id":"going","lifecycleState":"TERMINATING","freeformTags":{"owner":"uid-1"}}]`
	filter := oci.ListFilter{VCNID: vcnID, Tags: ourTags}
	ctx := context.Background()
	for path, list := range map[string]func(*oci.Client) ([]string, error){
		"vcns": func(c *oci.Client) ([]string, error) { v, err := c.ListVCNs(ctx, ourTags); return ids(v, vcnOf), err },
		"subnets": func(c *oci.Client) ([]string, error) {
			v, err := c.ListSubnets(ctx, filter)
			return ids(v, subnetOf), err
		},
		"internetGateways": func(c *oci.Client) ([]string, error) {
			v, err := c.ListInternetGateways(ctx, filter)
			return ids(v, igwOf), err
		},
		"natGateways": func(c *oci.Client) ([]string, error) {
			v, err := c.ListNATGateways(ctx, filter)
			return ids(v, natOf), err
		},
		"routeTables": func(c *oci.Client) ([]string, error) {
			v, err := c.ListRouteTables(ctx, filter)
			return ids(v, tableOf), err
		},
		"networkSecurityGroups": func(c *oci.Client) ([]string, error) {
			v, err := c.ListNetworkSecurityGroups(ctx, filter)
			return ids(v, nsgOf), err
		},
	} {
		t.Run(path, func(t *testing.T) {
			g := NewWithT(t)
			f := newFake(t)
			f.on("GET /20160918/"+path, answer(200, four))

			g.Expect(list(newClient(t, f))).To(Equal([]string{"ours", "going"}))

			if path != "vcns" {
				g.Expect(f.seen()[0].query).To(HaveKeyWithValue("vcnId", []string{vcnID}))
			}
		})
	}
}

func ids[T any](items []T, id func(T) string) []string {
	var out []string
	for _, item := range items {
		out = append(out, id(item))
	}
	return out
}

func vcnOf(v oci.VCN) string                  { return v.ID }
func subnetOf(v oci.Subnet) string            { return v.ID }
func igwOf(v oci.InternetGateway) string      { return v.ID }
func natOf(v oci.NATGateway) string           { return v.ID }
func tableOf(v oci.RouteTable) string         { return v.ID }
func nsgOf(v oci.NetworkSecurityGroup) string { return v.ID }

func TestNetworkIsCreatedAsAsked(t *testing.T) {
	ctx := context.Background()
	cidr := netip.MustParsePrefix("10.0.0.0/16")
	common := fmt.Sprintf(`"compartmentId":%q,"displayName":"n","freeformTags":{"owner":"uid-1"}`, compartmentID)
	for path, tc := range map[string]struct {
		create func(*oci.Client) error
		body   string
	}{
		"vcns": {func(c *oci.Client) error {
			_, err := c.CreateVCN(ctx, oci.VCNSpec{DisplayName: "n", CIDRs: []netip.Prefix{cidr}, DNSLabel: "mesh", Tags: ourTags, RetryToken: "t"})
			return err
		}, `{"cidrBlocks":["10.0.0.0/16"],"dnsLabel":"mesh",` + common + `}`},
		"subnets": {func(c *oci.Client) error {
			_, err := c.CreateSubnet(ctx, oci.SubnetSpec{VCNID: vcnID, DisplayName: "n", CIDR: cidr, RouteTableID: "rt", Private: true, Tags: ourTags, RetryToken: "t"})
			return err
		}, `{"vcnId":"` + vcnID + `","cidrBlock":"10.0.0.0/16","routeTableId":"rt","prohibitPublicIpOnVnic":true,` + common + `}`},
		"internetGateways": {func(c *oci.Client) error {
			_, err := c.CreateInternetGateway(ctx, oci.GatewaySpec{VCNID: vcnID, DisplayName: "n", Tags: ourTags, RetryToken: "t"})
			return err
		}, `{"vcnId":"` + vcnID + `","isEnabled":true,` + common + `}`},
		"natGateways": {func(c *oci.Client) error {
			_, err := c.CreateNATGateway(ctx, oci.GatewaySpec{VCNID: vcnID, DisplayName: "n", Tags: ourTags, RetryToken: "t"})
			return err
		}, `{"vcnId":"` + vcnID + `",` + common + `}`},
		"routeTables": {func(c *oci.Client) error {
			_, err := c.CreateRouteTable(ctx, oci.RouteTableSpec{VCNID: vcnID, DisplayName: "n", Tags: ourTags, RetryToken: "t"})
			return err
		}, `{"vcnId":"` + vcnID + `","routeRules":[],` + common + `}`},
		"networkSecurityGroups": {func(c *oci.Client) error {
			_, err := c.CreateNetworkSecurityGroup(ctx, oci.NetworkSecurityGroupSpec{VCNID: vcnID, DisplayName: "n", Tags: ourTags, RetryToken: "t"})
			return err
		}, `{"vcnId":"` + vcnID + `",` + common + `}`},
	} {
		t.Run(path, func(t *testing.T) {
			g := NewWithT(t)
			f := newFake(t)
			f.on("POST /20160918/"+path, answer(200, `{}`))

			g.Expect(tc.create(newClient(t, f))).To(Succeed())

			g.Expect(f.seen()[0].body).To(MatchJSON(tc.body))
			g.Expect(f.seen()[0].header.Get("Opc-Retry-Token")).To(Equal("t"))
		})
	}
}

func TestGetAndDeleteOfEachKind(t *testing.T) {
	ctx := context.Background()
	for path, of := range map[string]struct {
		get    func(*oci.Client) (string, error)
		remove func(*oci.Client) error
		tag    func(*oci.Client) error
	}{
		"vcns": {
			func(c *oci.Client) (string, error) { v, err := c.GetVCN(ctx, "x"); return v.ID, err },
			func(c *oci.Client) error { return c.DeleteVCN(ctx, ownership.Recorded("x")) },
			func(c *oci.Client) error { return c.UpdateVCNTags(ctx, ownership.Recorded("x"), ourTags) },
		},
		"subnets": {
			func(c *oci.Client) (string, error) { v, err := c.GetSubnet(ctx, "x"); return v.ID, err },
			func(c *oci.Client) error { return c.DeleteSubnet(ctx, ownership.Recorded("x")) },
			func(c *oci.Client) error { return c.UpdateSubnetTags(ctx, ownership.Recorded("x"), ourTags) },
		},
		"internetGateways": {
			func(c *oci.Client) (string, error) { v, err := c.GetInternetGateway(ctx, "x"); return v.ID, err },
			func(c *oci.Client) error { return c.DeleteInternetGateway(ctx, ownership.Recorded("x")) },
			func(c *oci.Client) error { return c.UpdateInternetGatewayTags(ctx, ownership.Recorded("x"), ourTags) },
		},
		"natGateways": {
			func(c *oci.Client) (string, error) { v, err := c.GetNATGateway(ctx, "x"); return v.ID, err },
			func(c *oci.Client) error { return c.DeleteNATGateway(ctx, ownership.Recorded("x")) },
			func(c *oci.Client) error { return c.UpdateNATGatewayTags(ctx, ownership.Recorded("x"), ourTags) },
		},
		"routeTables": {
			func(c *oci.Client) (string, error) { v, err := c.GetRouteTable(ctx, "x"); return v.ID, err },
			func(c *oci.Client) error { return c.DeleteRouteTable(ctx, ownership.Recorded("x")) },
			func(c *oci.Client) error {
				return c.UpdateRouteTable(ctx, ownership.Recorded("x"), oci.RouteTableUpdate{Tags: ourTags})
			},
		},
		"networkSecurityGroups": {
			func(c *oci.Client) (string, error) { v, err := c.GetNetworkSecurityGroup(ctx, "x"); return v.ID, err },
			func(c *oci.Client) error { return c.DeleteNetworkSecurityGroup(ctx, ownership.Recorded("x")) },
			func(c *oci.Client) error {
				return c.UpdateNetworkSecurityGroupTags(ctx, ownership.Recorded("x"), ourTags)
			},
		},
	} {
		t.Run(path, func(t *testing.T) {
			g := NewWithT(t)
			f := newFake(t)
			f.on("GET /20160918/"+path+"/x", answer(200, `{"id":"x"}`))
			f.on("PUT /20160918/"+path+"/x", answer(200, `{"id":"x"}`))
			f.on("DELETE /20160918/"+path+"/x", answer(204, ""))
			client := newClient(t, f)

			g.Expect(of.get(client)).To(Equal("x"))
			g.Expect(of.tag(client)).To(Succeed())
			g.Expect(f.seen()[1].body).To(MatchJSON(`{"freeformTags":{"owner":"uid-1"}}`))
			g.Expect(of.remove(client)).To(Succeed())
		})
	}
}

func TestRouteRules(t *testing.T) {
	g := NewWithT(t)
	f := newFake(t)
	rule := oci.RouteRule{Destination: netip.MustParsePrefix("0.0.0.0/0"), TargetID: "igw", Description: "Internet"}
	onWire := `[{"destination":"0.0.0.0/0","destinationType":"CIDR_BLOCK","networkEntityId":"igw","description":"Internet"}]`
	f.on("PUT /20160918/routeTables/rt", answer(200, `{}`))
	f.on("GET /20160918/routeTables/rt", answer(200, `{"id":"rt","vcnId":"v","routeRules":`+onWire+`}`))
	client := newClient(t, f)

	g.Expect(client.UpdateRouteTable(context.Background(), ownership.Recorded("rt"), oci.RouteTableUpdate{Rules: []oci.RouteRule{rule}})).To(Succeed())
	g.Expect(f.seen()[0].body).To(MatchJSON(`{"routeRules":` + onWire + `}`))

	table, err := client.GetRouteTable(context.Background(), "rt")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(table.Rules).To(Equal([]oci.RouteRule{rule}))

	g.Expect(client.UpdateRouteTable(context.Background(), ownership.Recorded("rt"), oci.RouteTableUpdate{Rules: []oci.RouteRule{}})).To(Succeed())
	g.Expect(f.seen()[2].body).To(MatchJSON(`{"routeRules":[]}`))
}

func TestSecurityListIsCleared(t *testing.T) {
	g := NewWithT(t)
	f := newFake(t)
	f.on("GET /20160918/securityLists/sl", answer(200, `{"id":"sl","ingressSecurityRules":[{"source":"0.0.0.0/0","protocol":"6"}],"egressSecurityRules":[]}`))
	f.on("PUT /20160918/securityLists/sl", answer(200, `{}`))
	client := newClient(t, f)

	list, err := client.GetSecurityList(context.Background(), "sl")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect([]int{list.IngressRules, list.EgressRules}).To(Equal([]int{1, 0}))

	g.Expect(client.ClearSecurityList(context.Background(), ownership.Recorded("sl"))).To(Succeed())
	g.Expect(f.seen()[1].body).To(MatchJSON(`{"ingressSecurityRules":[],"egressSecurityRules":[]}`))
}

func securityRules() []oci.SecurityRule {
	anywhere := netip.MustParsePrefix("0.0.0.0/0")
	return []oci.SecurityRule{
		{Direction: oci.Ingress, Protocol: oci.ProtocolUDP, CIDR: anywhere, Ports: oci.PortRange{Min: 41641, Max: 41641}, Description: "Tailscale"},
		{Direction: oci.Ingress, Protocol: oci.ProtocolICMP, CIDR: anywhere, ICMP: &oci.ICMPMatch{Type: 3, Code: 4}},
		{Direction: oci.Ingress, Protocol: oci.ProtocolICMP, CIDR: anywhere, ICMP: &oci.ICMPMatch{Type: 8, Code: oci.AnyICMPCode}},
		{Direction: oci.Egress, Protocol: oci.ProtocolAll, CIDR: anywhere},
		{Direction: oci.Ingress, Protocol: oci.ProtocolTCP, NSGID: "ocid1.networksecuritygroup.oc1..i", SourcePorts: oci.PortRange{Min: 1, Max: 9}, Stateless: true},
	}
}

// An added rule must be read back as the same rule, or a reconciler would add and remove it for
// ever.
func TestSecurityRulesSurviveTheRoundTrip(t *testing.T) {
	g := NewWithT(t)
	f := newFake(t)
	f.on("POST /20160918/networkSecurityGroups/g/actions/addSecurityRules", answer(200, `{}`))
	client := newClient(t, f)
	g.Expect(client.AddSecurityRules(context.Background(), ownership.Recorded("g"), securityRules())).To(Succeed())
	var sent struct{ SecurityRules json.RawMessage }
	g.Expect(json.Unmarshal([]byte(f.seen()[0].body), &sent)).To(Succeed())
	stored := strings.ReplaceAll(string(sent.SecurityRules), `"direction"`, `"id":"51AC4A","direction"`)
	f.on("GET /20160918/networkSecurityGroups/g/securityRules", answer(200, stored))

	got, err := client.ListSecurityRules(context.Background(), "g")

	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got).To(HaveLen(len(securityRules())))
	for i, want := range securityRules() {
		g.Expect(got[i].ID).To(Equal("51AC4A"))
		g.Expect(got[i].Admits(want)).To(BeTrue(), "%d: %+v", i, got[i])
		for j, other := range securityRules() {
			g.Expect(got[i].Admits(other)).To(Equal(i == j), "%d, %d", i, j)
		}
	}
}

func TestSecurityRulesAreSentInBatches(t *testing.T) {
	g := NewWithT(t)
	f := newFake(t)
	f.on("POST /20160918/networkSecurityGroups/g/actions/addSecurityRules", answer(200, `{}`))
	f.on("POST /20160918/networkSecurityGroups/g/actions/removeSecurityRules", answer(204, ``))
	client := newClient(t, f)
	rules := make([]oci.SecurityRule, 26)
	names := make([]string, 51)
	for i := range rules {
		rules[i] = securityRules()[0]
	}
	for i := range names {
		names[i] = fmt.Sprintf("R%02d", i)
	}

	g.Expect(client.AddSecurityRules(context.Background(), ownership.Recorded("g"), rules)).To(Succeed())
	g.Expect(client.RemoveSecurityRules(context.Background(), ownership.Recorded("g"), names)).To(Succeed())
	g.Expect(client.AddSecurityRules(context.Background(), ownership.Recorded("g"), nil)).To(Succeed())

	var counts []int
	for _, request := range f.seen() {
		counts = append(counts, strings.Count(request.body, "41641")/2+strings.Count(request.body, `"R`))
	}
	g.Expect(counts).To(Equal([]int{25, 1, 25, 25, 1}))
}

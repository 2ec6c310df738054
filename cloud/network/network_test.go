// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package network

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

const patience = time.Minute

// bench is a simulated account, with the real client of a user with full access.
type bench struct {
	t       *testing.T
	g       *WithT
	sim     *sim.Sim
	tenancy *sim.Tenancy
	user    sim.Credentials
	client  *oci.Client
	owner   ownership.Owner
	// vcn is the VCN that status would have recorded; nothing by default.
	vcn string
}

// userKey is the key of all users: to make one takes longer than most tests.
var userKey = sync.OnceValues(sim.NewKey)

func newBench(t *testing.T, change ...func(*sim.Options)) *bench {
	t.Helper()
	b := &bench{t: t, g: NewWithT(t), tenancy: sim.NewTenancy("one"), owner: ownership.Cluster("uid-1", "ns", "c1")}
	key, err := userKey()
	b.g.Expect(err).NotTo(HaveOccurred())
	user, err := b.tenancy.NewUserWith(key)
	b.g.Expect(err).NotTo(HaveOccurred())
	b.user = user
	delays := &sim.Delays{Network: 5 * time.Millisecond, Retention: time.Minute}
	options := sim.Options{Tenancies: []*sim.Tenancy{b.tenancy}, Delays: delays, PageSize: 2, Seed: sim.SeedOfEnvironment()}
	for _, f := range change {
		f(&options)
	}
	b.sim, err = sim.New(options)
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(b.sim.Start("127.0.0.1:0")).To(Succeed())
	t.Cleanup(func() { _ = b.sim.Close() })
	b.client, err = oci.NewClient(oci.Config{
		Region: "us-ashburn-1", CompartmentID: b.tenancy.Compartment(), Endpoint: b.sim.URL(), Limits: oci.Unlimited(),
		Principal: oci.Principal{Type: oci.UserPrincipalType, User: oci.UserPrincipal{
			TenancyID: user.TenancyOCID, UserID: user.UserOCID, Fingerprint: user.Fingerprint, PrivateKeyPEM: []byte(user.PrivateKeyPEM),
		}},
	})
	b.g.Expect(err).NotTo(HaveOccurred())
	return b
}

func spec(change ...func(*infrav1.ManagedNetwork)) infrav1.ManagedNetwork {
	spec := infrav1.ManagedNetwork{VCNCIDR: "10.0.0.0/16", SubnetCIDR: "10.0.0.0/20", Gateway: infrav1.GatewayInternet}
	for _, f := range change {
		f(&spec)
	}
	return spec
}

// ready ensures until the network is Ready.
func (b *bench) ready(spec infrav1.ManagedNetwork) State {
	b.t.Helper()
	return b.readyFor(spec, 0)
}

// readyFor is ready with a load balancer's port.
func (b *bench) readyFor(spec infrav1.ManagedNetwork, balancerPort int) State {
	b.t.Helper()
	var state State
	b.g.Eventually(func(g Gomega) bool {
		var err error
		state, err = Ensure(b.t.Context(), b.client, b.owner, spec, b.vcn, balancerPort)
		g.Expect(err).NotTo(HaveOccurred())
		return state.Ready
	}, patience, time.Millisecond).Should(BeTrue())
	return state
}

// gone deletes until the network is gone.
func (b *bench) gone(vcnID string) {
	b.t.Helper()
	b.g.Eventually(func(g Gomega) bool {
		removal, err := Delete(b.t.Context(), b.client, b.owner, vcnID, NewClearing(&cloud.Waits{}))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(removal.InUse).To(BeEmpty())
		return removal.Gone
	}, patience, time.Millisecond).Should(BeTrue())
}

func (b *bench) expectLeft(count int) {
	b.t.Helper()
	left, err := b.sim.Leftovers("one")
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(left).To(HaveLen(count))
}

// rulesOf renders the rules of the group.
func (b *bench) rulesOf(groupID string) []string {
	b.t.Helper()
	rules, err := b.client.ListSecurityRules(b.t.Context(), groupID)
	b.g.Expect(err).NotTo(HaveOccurred())
	var out []string
	for _, rule := range rules {
		peer := rule.NSGID
		if peer == "" {
			peer = rule.CIDR.String()
		}
		text := fmt.Sprintf("%s %s %s %d-%d", rule.Direction, rule.Protocol, peer, rule.Ports.Min, rule.Ports.Max)
		if rule.ICMP != nil {
			text += fmt.Sprintf(" type %d code %d", rule.ICMP.Type, rule.ICMP.Code)
		}
		out = append(out, text)
	}
	return out
}

// admitted is the nodes' traffic, and nothing more.
var admitted = []string{
	"INGRESS 17 0.0.0.0/0 41641-41641", "INGRESS 1 0.0.0.0/0 0-0 type 3 code 4", "EGRESS all 0.0.0.0/0 0-0",
}

func TestANetworkAdmitsWhatNodesNeedAndNothingMore(t *testing.T) {
	b := newBench(t)

	state := b.ready(spec())

	b.g.Expect(state.PublicIP).To(BeTrue())
	b.g.Expect(b.rulesOf(state.NetworkSecurityGroupIDs[0])).To(ConsistOf(admitted))
	subnet, err := b.client.GetSubnet(t.Context(), state.SubnetID)
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(subnet.CIDR).To(Equal(netip.MustParsePrefix("10.0.0.0/20")))
	b.g.Expect(subnet.Private).To(BeFalse())
	b.g.Expect(subnet.Tags).To(Equal(map[string]string{infrav1.ClusterUIDTag: "uid-1", infrav1.ClusterNameTag: "ns/c1"}))
	b.g.Expect(subnet.SecurityListIDs).To(HaveLen(1))
	list, err := b.client.GetSecurityList(t.Context(), subnet.SecurityListIDs[0])
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(list.IngressRules+list.EgressRules).To(BeZero(), "the VCN's default list would admit SSH from everywhere")
	b.expectLeft(5)

	b.gone(state.VCNID)
	b.expectLeft(0)
}

func TestSSHIsAdmittedFromWhereTheUserSaysOnly(t *testing.T) {
	b := newBench(t)

	state := b.ready(spec(func(s *infrav1.ManagedNetwork) {
		s.SSHFrom = []string{"192.0.2.7/24", "192.0.2.0/24", "198.51.100.1/32"}
	}))

	b.g.Expect(b.rulesOf(state.NetworkSecurityGroupIDs[0])).To(ConsistOf(
		append(slices.Clone(admitted), "INGRESS 6 192.0.2.0/24 22-22", "INGRESS 6 198.51.100.1/32 22-22")))

	b.ready(spec())
	b.g.Expect(b.rulesOf(state.NetworkSecurityGroupIDs[0])).To(ConsistOf(admitted), "and no longer")
}

func TestBehindANATGatewayMachinesHaveNoPublicAddress(t *testing.T) {
	b := newBench(t)

	state := b.ready(spec(func(s *infrav1.ManagedNetwork) { s.Gateway = infrav1.GatewayNAT }))

	b.g.Expect(state.PublicIP).To(BeFalse())
	subnet, err := b.client.GetSubnet(t.Context(), state.SubnetID)
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(subnet.Private).To(BeTrue())
	b.g.Expect(b.sim.CallCounts("")).NotTo(HaveKey("CreateInternetGateway"))
	b.gone(state.VCNID)
	b.expectLeft(0)
}

func TestACompleteNetworkIsOnlyRead(t *testing.T) {
	b := newBench(t)
	b.ready(spec())
	b.sim.ResetCalls()

	b.ready(spec())

	for _, call := range b.sim.Calls() {
		b.g.Expect(call.Method).To(Equal("GET"), call.Operation)
	}
	b.g.Expect(len(b.sim.Calls())).To(BeNumerically("<=", 9), "seven kinds, two pages of three rules")
}

func TestANetworkIsFoundAmongManyOnLaterPages(t *testing.T) {
	b := newBench(t)
	b.g.Expect(b.sim.SetLimit("one", "vcn-count", 50)).To(Succeed())
	states := map[string]string{}
	for i := range 5 {
		b.owner = ownership.Cluster(fmt.Sprintf("uid-%d", i), "ns", "c1")
		states[b.owner.Identity()] = b.ready(spec()).VCNID
	}
	for uid, vcnID := range states {
		b.owner = ownership.Cluster(uid, "ns", "c1")
		b.g.Expect(b.ready(spec()).VCNID).To(Equal(vcnID))
	}
	b.expectLeft(25)
}

func TestANetworkThatSomebodyDeletedIsMadeAgain(t *testing.T) {
	b := newBench(t)
	first := b.ready(spec())
	b.gone(first.VCNID)

	second := b.ready(spec())

	b.g.Expect(second.VCNID).NotTo(Equal(first.VCNID), "the first retry token is used up")
	b.expectLeft(5)
	b.gone(first.VCNID)
	b.expectLeft(0)
}

func TestAnEmptyListIsNoProofWithoutPermission(t *testing.T) {
	b := newBench(t)
	state := b.ready(spec())
	b.gone(state.VCNID)
	b.sim.AddFault(sim.Fault{Operation: "ListInstances", Status: 404, Code: "NotAuthorizedOrNotFound"})

	removal, err := Delete(t.Context(), b.client, b.owner, "", NewClearing(&cloud.Waits{}))

	b.g.Expect(cloud.KindOf(err)).To(Equal(cloud.NotFoundOrUnauthorized))
	b.g.Expect(removal.Gone).To(BeFalse())
}

func TestAnExistingNetworkIsLookedAtAndNothingElse(t *testing.T) {
	b := newBench(t)
	theirs := b.ready(spec())
	theirs.Claim = nil
	b.sim.ResetCalls()

	state, err := Verify(t.Context(), b.client, b.owner, infrav1.ExistingNetwork{
		SubnetID: theirs.SubnetID, NetworkSecurityGroupIDs: theirs.NetworkSecurityGroupIDs,
	})

	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(state).To(Equal(theirs))
	b.g.Expect(b.sim.CallCounts("")).To(Equal(map[string]int{"GetSubnet": 1, "GetVcn": 1, "GetNetworkSecurityGroup": 1}))
}

// A policy may let an account use a subnet of a compartment whose VCN it cannot read.
func TestTheSubnetsRangeStandsForAVCNThatCannotBeRead(t *testing.T) {
	b := newBench(t)
	theirs := b.ready(spec())
	b.sim.AddFault(sim.Fault{Operation: "GetVcn", Status: 404, Code: "NotAuthorizedOrNotFound", Message: "Authorization failed or requested resource not found."})

	state, err := Verify(t.Context(), b.client, b.owner, infrav1.ExistingNetwork{SubnetID: theirs.SubnetID})

	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(state.Ready).To(BeTrue())
	b.g.Expect(state.Ranges).To(Equal([]netip.Prefix{netip.MustParsePrefix(spec().SubnetCIDR)}))
}

func TestAnExistingNetworkThatCannotBeUsed(t *testing.T) {
	b := newBench(t)
	theirs := b.ready(spec())
	b.owner = ownership.Cluster("uid-2", "ns", "c1")
	others := b.ready(spec())
	for name, world := range map[string]struct {
		spec    infrav1.ExistingNetwork
		kind    cloud.Kind
		message string
	}{
		"no such subnet": {
			infrav1.ExistingNetwork{SubnetID: "ocid1.subnet.oc1..nothing"}, cloud.NotFoundOrUnauthorized, "subnetID",
		},
		"no such group": {
			infrav1.ExistingNetwork{SubnetID: theirs.SubnetID, NetworkSecurityGroupIDs: []string{"ocid1.networksecuritygroup.oc1..nothing"}},
			cloud.NotFoundOrUnauthorized, "networkSecurityGroupIDs",
		},
		"group of another VCN": {
			infrav1.ExistingNetwork{SubnetID: theirs.SubnetID, NetworkSecurityGroupIDs: others.NetworkSecurityGroupIDs},
			cloud.InvalidRequest, "another VCN",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			_, err := Verify(t.Context(), b.client, b.owner, world.spec)
			g.Expect(cloud.KindOf(err)).To(Equal(world.kind))
			g.Expect(err).To(MatchError(ContainSubstring(world.message)))
		})
	}
}

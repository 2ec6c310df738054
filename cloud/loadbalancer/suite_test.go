// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package loadbalancer

import (
	"net/netip"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

const patience = time.Minute

var (
	kinds = []infrav1.EndpointType{infrav1.EndpointNetworkLoadBalancer, infrav1.EndpointLoadBalancer}
	owner = ownership.Cluster("uid-1", "ns", "c1")
)

func TestNoKindOfLoadBalancerIsLeftOut(t *testing.T) {
	NewWithT(t).Expect(kinds).To(ConsistOf(helpers.BalancerTypes(t)))
}

// operations are the simulator's names of the operations common to both kinds.
var operations = map[infrav1.EndpointType]map[string]string{
	infrav1.EndpointNetworkLoadBalancer: {
		"create": "CreateNetworkLoadBalancer", "delete": "DeleteNetworkLoadBalancer", "get": "GetNetworkLoadBalancer",
		"list": "ListNetworkLoadBalancers", "add": "CreateBackend", "remove": "DeleteBackend", "set": "UpdateBackendSet",
		"work": "GetNetworkLoadBalancerWorkRequest",
	},
	infrav1.EndpointLoadBalancer: {
		"create": "CreateLoadBalancer", "delete": "DeleteLoadBalancer", "get": "GetLoadBalancer",
		"list": "ListLoadBalancers", "add": "CreateLoadBalancerBackend", "remove": "DeleteLoadBalancerBackend",
		"set": "UpdateLoadBalancerBackendSet", "work": "GetLoadBalancerWorkRequest",
	},
}

// bench is a simulated account with a subnet, and its load balancers of one kind.
type bench struct {
	Account
	t      *testing.T
	g      *WithT
	sim    *sim.Sim
	client *oci.Client
	vcn    string
	spec   Spec
	known  Known
}

// userKey is the key of all users: to make one takes longer than most tests.
var userKey = sync.OnceValues(sim.NewKey)

func newBench(t *testing.T, kind infrav1.EndpointType, change ...func(*sim.Options)) *bench {
	t.Helper()
	b := &bench{t: t, g: NewWithT(t)}
	tenancy := sim.NewTenancy("one")
	key, err := userKey()
	b.g.Expect(err).NotTo(HaveOccurred())
	user, err := tenancy.NewUserWith(key)
	b.g.Expect(err).NotTo(HaveOccurred())
	options := sim.Options{Tenancies: []*sim.Tenancy{tenancy}, Delays: &sim.Delays{Network: 5 * time.Millisecond, Retention: time.Minute}, PageSize: 2,
		Seed: sim.SeedOfEnvironment()}
	for _, f := range change {
		f(&options)
	}
	b.sim, err = sim.New(options)
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(b.sim.Start("127.0.0.1:0")).To(Succeed())
	t.Cleanup(func() { _ = b.sim.Close() })
	b.client, err = oci.NewClient(oci.Config{
		Region: "us-ashburn-1", CompartmentID: tenancy.Compartment(), Endpoint: b.sim.URL(), Limits: oci.Unlimited(),
		Principal: oci.Principal{Type: oci.UserPrincipalType, User: oci.UserPrincipal{
			TenancyID: user.TenancyOCID, UserID: user.UserOCID, Fingerprint: user.Fingerprint, PrivateKeyPEM: []byte(user.PrivateKeyPEM),
		}},
	})
	b.g.Expect(err).NotTo(HaveOccurred())
	b.Account, err = In(b.client, kind)
	b.g.Expect(err).NotTo(HaveOccurred())
	b.spec = Spec{SubnetID: b.subnet(), Port: 6443, Bandwidth: oci.Bandwidth{Minimum: 10, Maximum: 10}}
	return b
}

// exactly has an account answer the same way each time, in pages that hold everything.
func exactly(options *sim.Options) { options.Seed, options.PageSize = 0, 100 }

func (b *bench) subnet() string {
	cidr := netip.MustParsePrefix("10.0.0.0/24")
	vcn, err := b.client.CreateVCN(b.t.Context(), oci.VCNSpec{DisplayName: "net", CIDRs: []netip.Prefix{cidr}})
	b.g.Expect(err).NotTo(HaveOccurred())
	b.vcn = vcn.ID
	var subnet oci.Subnet
	b.g.Eventually(func() (err error) {
		subnet, err = b.client.CreateSubnet(b.t.Context(), oci.SubnetSpec{VCNID: vcn.ID, DisplayName: "net", CIDR: cidr})
		return err
	}, patience, time.Millisecond).Should(Succeed())
	b.g.Eventually(func() (oci.LifecycleState, error) {
		seen, err := b.client.GetSubnet(b.t.Context(), subnet.ID)
		return seen.State, err
	}, patience, time.Millisecond).Should(Equal(oci.StateAvailable))
	return subnet.ID
}

func (b *bench) group() string {
	group, err := b.client.CreateNetworkSecurityGroup(b.t.Context(), oci.NetworkSecurityGroupSpec{VCNID: b.vcn})
	b.g.Expect(err).NotTo(HaveOccurred())
	return group.ID
}

// ensure is one pass; it remembers the returned facts.
func (b *bench) ensure() (State, error) {
	state, err := b.Ensure(b.t.Context(), owner, b.spec, b.known)
	b.known = state.Known
	return state, err
}

func (b *bench) ready() State {
	b.t.Helper()
	var state State
	b.g.Eventually(func(g Gomega) bool {
		var err error
		state, err = b.ensure()
		g.Expect(err).NotTo(HaveOccurred())
		return state.Ready
	}, patience, time.Millisecond).Should(BeTrue())
	return state
}

func (b *bench) gone(id string) {
	b.t.Helper()
	going := false
	b.g.Eventually(func(g Gomega) bool {
		removal, err := b.Remove(b.t.Context(), owner, id, going)
		g.Expect(err).NotTo(HaveOccurred())
		going = true
		return removal.Gone
	}, patience, time.Millisecond).Should(BeTrue())
	b.g.Expect(b.balancers()).To(BeEmpty())
}

// balancers are the OCIDs of the existing load balancers.
func (b *bench) balancers() []string {
	left, err := b.sim.Leftovers("one")
	b.g.Expect(err).NotTo(HaveOccurred())
	var out []string
	for _, resource := range left {
		if resource.Kind == "networkloadbalancer" || resource.Kind == "loadbalancer" {
			out = append(out, resource.ID)
		}
	}
	return out
}

func (b *bench) calls(operation string) int {
	return b.sim.CallCounts("")[operations[b.kind][operation]]
}

func (b *bench) fault(operation string, fault sim.Fault) {
	fault.Operation = operations[b.kind][operation]
	b.sim.AddFault(fault)
}

func (b *bench) joined(machine oci.Backend) {
	b.t.Helper()
	work := ""
	b.g.Eventually(func(g Gomega) string {
		membership, err := b.Join(b.t.Context(), owner, b.known.ID, machine, work)
		g.Expect(err).NotTo(HaveOccurred())
		work = membership.WorkRequestID
		return membership.Name
	}, patience, time.Millisecond).ShouldNot(BeEmpty())
}

func (b *bench) left(machine oci.Backend) {
	b.t.Helper()
	b.g.Eventually(func(g Gomega) bool {
		out, err := b.Leave(b.t.Context(), owner, b.known.ID, machine)
		g.Expect(err).NotTo(HaveOccurred())
		return out
	}, patience, time.Millisecond).Should(BeTrue())
}

func backend(address string) oci.Backend {
	return oci.Backend{Name: "machine-" + netip.MustParseAddr(address).String(), Address: netip.MustParseAddr(address), Port: 6443}
}

// forBoth runs a test with each kind of load balancers.
func forBoth(t *testing.T, run func(t *testing.T, kind infrav1.EndpointType)) {
	t.Helper()
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) { run(t, kind) })
	}
}

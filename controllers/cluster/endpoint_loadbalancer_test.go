// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/loadbalancer"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

var balancedTypes = []infrav1.EndpointType{infrav1.EndpointNetworkLoadBalancer, infrav1.EndpointLoadBalancer}

func TestNoKindOfLoadBalancerIsLeftOut(t *testing.T) {
	NewWithT(t).Expect(balancedTypes).To(ConsistOf(helpers.BalancerTypes(t)))
}

// balanced gives the cluster a public load balancer in its first account; the others are for
// workers.
func balanced(kind infrav1.EndpointType, more ...func(*infrav1.OCIMeshCluster)) change {
	return func(_ *clusterv1.Cluster, infra *infrav1.OCIMeshCluster) {
		infra.Spec.EndpointType = kind
		infra.Spec.LoadBalancer.Scope = infrav1.LoadBalancerPublic
		for i := range infra.Spec.Accounts {
			infra.Spec.Accounts[i].ControlPlane = ptr.To(i == 0)
		}
		if len(infra.Spec.Accounts) == 0 {
			return
		}
		for _, f := range more {
			f(infra)
		}
	}
}

// service is the load balancers of a kind in the first account.
func (b *bench) service(kind infrav1.EndpointType) loadbalancer.Account {
	c, err := b.Clients.OCI(b.t.Context(), b.Accounts[0])
	b.g.Expect(err).NotTo(HaveOccurred())
	balancers, err := loadbalancer.In(c, kind)
	b.g.Expect(err).NotTo(HaveOccurred())
	return balancers
}

func (b *bench) balancerOf(infra *infrav1.OCIMeshCluster) oci.Balancer {
	found, err := b.service(infra.Spec.EndpointType).Get(b.t.Context(), infra.Status.LoadBalancer.ID)
	b.g.Expect(err).NotTo(HaveOccurred())
	return found
}

// balancers are the load balancers of the i-th account.
func (b *bench) balancers(i int) []string {
	left, err := b.OCI.Leftovers(b.Tenancies[i].Name)
	b.g.Expect(err).NotTo(HaveOccurred())
	var out []string
	for _, resource := range left {
		if resource.Kind == "networkloadbalancer" || resource.Kind == "loadbalancer" {
			out = append(out, resource.ID)
		}
	}
	return out
}

func TestALoadBalancerIsTheEndpoint(t *testing.T) {
	t.Parallel()
	for _, kind := range balancedTypes {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			b := newBench(t, helpers.WorldOptions{Accounts: 2})
			infra := b.cluster("c1", balanced(kind))

			b.until(infra, "Ready True Ready")

			helpers.ExpectConditions(t, infra, "Ready True Ready", "Deleting False NotDeleting", "AccountsReady True Ready",
				"NetworkReady True Ready", "TailnetReady True Ready", "RangesDistinct True Ready", "EndpointReady True Ready", "Paused False NotPaused")
			found := b.balancerOf(infra)
			b.g.Expect(infra.Spec.ControlPlaneEndpoint).To(Equal(infrav1.APIEndpoint{Host: found.Address.String(), Port: 6443}))
			b.g.Expect(infra.Status.Initialization.Provisioned).To(HaveValue(BeTrue()))
			b.g.Expect(infra.Status.LoadBalancer).To(Equal(infrav1.LoadBalancerStatus{ID: found.ID, State: "ACTIVE"}))
			b.g.Expect(found.SubnetID).To(Equal(infra.Status.Accounts[0].SubnetID))
			b.g.Expect(found.NSGIDs).To(HaveLen(1))
			b.g.Expect(found.NSGIDs).NotTo(Equal(infra.Status.Accounts[0].NetworkSecurityGroupIDs), "it has a group of its own")
			b.g.Expect(b.balancers(1)).To(BeEmpty(), "workers' accounts have none")
			b.Reload(t, b.Tailnet)
			b.g.Expect(b.Tailnet.Status.VIPAllocations).To(BeEmpty(), "no address of the tailnet is taken")

			b.OCI.ResetCalls()
			_, err := b.reconcile(infra)
			b.g.Expect(err).NotTo(HaveOccurred())
			b.g.Expect(b.OCI.Calls()).To(BeEmpty(), "at rest")

			b.deleted(infra)
			b.ExpectNothingLeft(t)
		})
	}
}

func TestLoadBalancersOfAllSorts(t *testing.T) {
	t.Parallel()
	for name, world := range map[string]struct {
		change func(*infrav1.OCIMeshCluster)
		expect func(*bench, *infrav1.OCIMeshCluster, oci.Balancer)
	}{
		"private, behind a NAT gateway": {
			func(infra *infrav1.OCIMeshCluster) {
				infra.Spec.LoadBalancer.Scope = infrav1.LoadBalancerPrivate
				infra.Spec.Accounts[0].Network.Managed = &infrav1.ManagedNetwork{Gateway: infrav1.GatewayNAT}
			},
			func(b *bench, _ *infrav1.OCIMeshCluster, found oci.Balancer) {
				b.g.Expect(netip.MustParsePrefix("10.0.0.0/20").Contains(found.Address)).To(BeTrue(), "%s", found.Address)
			},
		},
		"with a DNS name of the user's": {
			func(infra *infrav1.OCIMeshCluster) { infra.Spec.ControlPlaneEndpoint.Host = "api.example.com" },
			func(b *bench, infra *infrav1.OCIMeshCluster, _ oci.Balancer) {
				b.g.Expect(infra.Spec.ControlPlaneEndpoint).To(Equal(infrav1.APIEndpoint{Host: "api.example.com", Port: 6443}))
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, helpers.WorldOptions{Accounts: 1})
			infra := b.cluster("c1", balanced(infrav1.EndpointNetworkLoadBalancer, world.change))
			b.until(infra, "Ready True Ready")
			world.expect(b, infra, b.balancerOf(infra))
			b.deleted(infra)
			b.ExpectNothingLeft(t)
		})
	}
}

func TestAReservedAddressIsUsedAndKept(t *testing.T) {
	t.Parallel()
	for _, kind := range balancedTypes {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			b := newBench(t, helpers.WorldOptions{Accounts: 1})
			id, address, err := b.OCI.ReservePublicIP(b.Tenancies[0].Name)
			b.g.Expect(err).NotTo(HaveOccurred())
			infra := b.cluster("c1", balanced(kind, func(infra *infrav1.OCIMeshCluster) { infra.Spec.LoadBalancer.ReservedPublicIPID = id }))
			b.until(infra, "Ready True Ready")
			b.g.Expect(infra.Spec.ControlPlaneEndpoint.Host).To(Equal(address))

			// Somebody deletes the load balancer: a new one takes the address again.
			first := infra.Status.LoadBalancer.ID
			_, err = b.service(kind).Delete(t.Context(), ownership.Recorded(first))
			b.g.Expect(err).NotTo(HaveOccurred())
			b.r.Options.NetworkInterval = time.Nanosecond
			b.until(infra, "EndpointReady False EndpointProvisioning")
			b.until(infra, "Ready True Ready")
			b.g.Expect(infra.Status.LoadBalancer.ID).NotTo(Equal(first))
			b.g.Expect(b.balancerOf(infra).Address.String()).To(Equal(address))

			b.deleted(infra)
			b.ExpectNothingLeft(t)
		})
	}
}

func TestAnExistingNetworkTakesTheLoadBalancerWhereTheUserSays(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	var lines []string
	b.log = funcr.New(func(_, line string) { lines = append(lines, line) }, funcr.Options{})
	recorder := events.NewFakeRecorder(100)
	b.r.Recorder = recorder
	theirs := b.cluster("theirs")
	b.until(theirs, "Ready True Ready")
	network := theirs.Status.Accounts[0]
	infra := b.cluster("ours", balanced(infrav1.EndpointNetworkLoadBalancer, func(infra *infrav1.OCIMeshCluster) {
		infra.Spec.Accounts[0].Network.Existing = infrav1.ExistingNetwork{SubnetID: network.SubnetID}
		infra.Spec.LoadBalancer.NetworkSecurityGroupIDs = network.NetworkSecurityGroupIDs
		infra.Spec.LoadBalancer.SubnetID = network.SubnetID
	}))
	b.until(infra, "Ready True Ready")

	found := b.balancerOf(infra)
	b.g.Expect(found.SubnetID).To(Equal(network.SubnetID))
	b.g.Expect(found.NSGIDs).To(Equal(network.NetworkSecurityGroupIDs))
	b.g.Expect(infra.Annotations).To(HaveKeyWithValue(infrav1.NetworkAccountsAnnotation, b.Accounts[0].Name), "written down before it was made")
	b.deleted(infra)
	b.g.Expect(b.balancers(0)).To(BeEmpty())
	b.g.Expect(lines).To(ContainElement(ContainSubstring("Deleted the load balancer")))
	b.g.Expect(lines).NotTo(ContainElement(ContainSubstring("Deleted the network")), "it is the user's")
	b.deleted(theirs)
	b.g.Expect(lines).To(ContainElement(ContainSubstring("Deleted the network")))
	close(recorder.Events)
	for event := range recorder.Events {
		b.g.Expect(event).NotTo(ContainSubstring("LeftUntagged"))
	}
	b.ExpectNothingLeft(t)
}

// A lost answer is what a manager that was killed during the call has: the work may be done, and
// nobody knows. The load balancers are in a network that is there: those of networks are tested
// with these.
func TestAnAnswerLostAnywhereMakesNoSecondLoadBalancerAndLeavesNone(t *testing.T) {
	helpers.WithoutRaceDetector(t)
	t.Parallel()
	operations := map[infrav1.EndpointType][]string{
		infrav1.EndpointNetworkLoadBalancer: {
			"ListNetworkLoadBalancers", "CreateNetworkLoadBalancer", "GetNetworkLoadBalancer", "GetNetworkLoadBalancerWorkRequest",
			"DeleteNetworkLoadBalancer",
		},
		infrav1.EndpointLoadBalancer: {
			"ListLoadBalancers", "CreateLoadBalancer", "GetLoadBalancer", "GetLoadBalancerWorkRequest", "DeleteLoadBalancer",
		},
	}
	faults := map[string]sim.Fault{
		"refused with 503": {Status: 503, Code: "ServiceUnavailable"}, "throttled": {Status: 429, Code: "TooManyRequests"},
		"done and its answer lost": {AfterCommit: true, Reset: true},
	}
	for kind, names := range operations {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			b := newBench(t, helpers.WorldOptions{Accounts: 1, Sim: sim.Options{Delays: &sim.Delays{
				Network: 5 * time.Millisecond, ListLag: 50 * time.Millisecond, Retention: time.Minute,
			}}})
			theirs := b.cluster("theirs")
			b.until(theirs, "Ready True Ready")
			for n, operation := range names {
				for name, fault := range faults {
					fault.Operation = operation
					infra := b.cluster(fmt.Sprintf("c%d-%s", n, strings.ReplaceAll(name, " ", "-")), balanced(kind, inNetworkOf(theirs)))
					b.lostAnswer(infra, fault)
				}
			}
			b.restart()
			b.deleted(theirs)
			b.ExpectNothingLeft(t)
		})
	}
}

// inNetworkOf puts nodes and load balancer into the network that another cluster has in the first
// account.
func inNetworkOf(other *infrav1.OCIMeshCluster) func(*infrav1.OCIMeshCluster) {
	return func(infra *infrav1.OCIMeshCluster) {
		infra.Spec.Accounts[0].Network.Managed = nil
		infra.Spec.Accounts[0].Network.Existing = infrav1.ExistingNetwork{SubnetID: other.Status.Accounts[0].SubnetID}
	}
}

// lostAnswer has a cluster made and deleted with a fault on the way.
func (b *bench) lostAnswer(infra *infrav1.OCIMeshCluster, fault sim.Fault) {
	b.t.Helper()
	b.OCI.AddFault(fault)
	b.untilRestarting(infra, func() bool { return slices.Contains(helpers.ConditionsOf(infra), "Ready True Ready") })
	b.g.Expect(b.balancers(0)).To(HaveLen(1), "%v", fault)
	b.deleted(infra)
	b.g.Expect(b.balancers(0)).To(BeEmpty(), "%v", fault)
	b.OCI.ClearFaults()
}

// untilRestarting reconciles, each time in a new process, until the condition is met.
func (b *bench) untilRestarting(infra *infrav1.OCIMeshCluster, met func() bool) {
	b.t.Helper()
	b.g.Eventually(func(g Gomega) bool {
		_, err := b.reconcile(infra)
		g.Expect(err).NotTo(HaveOccurred())
		b.restart()
		b.r.Options.ListLag = 100 * time.Millisecond
		return met()
	}, timeout, b.pause).Should(BeTrue(), "%v", infra.Status)
}

func TestAStatusThatIsLostFindsItsLoadBalancerAgain(t *testing.T) {
	t.Parallel()
	for _, kind := range balancedTypes {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			b := newBench(t, helpers.WorldOptions{Accounts: 1})
			infra := b.cluster("c1", balanced(kind))
			b.until(infra, "Ready True Ready")
			balancer := infra.Status.LoadBalancer.ID

			// clusterctl move makes the object anew, without status and with another UID.
			moved := infra.DeepCopy()
			moved.ObjectMeta = metav1.ObjectMeta{
				Namespace: infra.Namespace, Name: infra.Name, Labels: infra.Labels, Annotations: infra.Annotations,
				OwnerReferences: infra.OwnerReferences, Finalizers: infra.Finalizers,
			}
			moved.Status = infrav1.OCIMeshClusterStatus{}
			helpers.Update(t, env, infra, func(infra *infrav1.OCIMeshCluster) { infra.Finalizers = nil })
			b.g.Expect(env.Client.Delete(t.Context(), infra)).To(Succeed())
			env.Create(t, moved)
			b.restart()
			b.until(moved, "Ready True Ready")

			b.g.Expect(moved.Status.LoadBalancer.ID).To(Equal(balancer))
			b.g.Expect(moved.Spec.ControlPlaneEndpoint).To(Equal(infra.Spec.ControlPlaneEndpoint))
			b.deleted(moved)
			b.ExpectNothingLeft(t)
		})
	}
}

func TestALoadBalancerThatOCIGivesUpIsReportedAndTriedAgain(t *testing.T) {
	t.Parallel()
	for kind, operation := range map[infrav1.EndpointType]string{
		infrav1.EndpointNetworkLoadBalancer: "CreateNetworkLoadBalancer", infrav1.EndpointLoadBalancer: "CreateLoadBalancer",
	} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			b := newBench(t, helpers.WorldOptions{Accounts: 1})
			b.OCI.AddFault(sim.Fault{Operation: operation, WorkRequestFails: true, Code: "InternalError", Message: "No host for it."})
			infra := b.cluster("c1", balanced(kind))

			b.until(infra, "EndpointReady False EndpointFailed")

			b.g.Expect(helpers.MessageOf(infra, infrav1.EndpointReadyCondition)).To(ContainSubstring("No host for it"))
			b.g.Expect(infra.Status.Initialization.Provisioned).To(BeNil())
			b.g.Expect(infra.Spec.ControlPlaneEndpoint.Host).To(BeEmpty())
			b.until(infra, "Ready True Ready")
			b.g.Expect(infra.Status.LoadBalancer.Attempt).To(BeEquivalentTo(1))
			b.g.Expect(b.balancers(0)).To(HaveLen(1))
			b.deleted(infra)
			b.ExpectNothingLeft(t)
		})
	}
}

func TestRefusalsOfALoadBalancerSayWhatToDo(t *testing.T) {
	t.Parallel()
	for name, world := range map[string]struct {
		fault   sim.Fault
		reason  string
		message string
	}{
		"no policy": {sim.Fault{Status: 404, Code: "NotAuthorizedOrNotFound"}, "NotAuthorizedOrNotFound", "manage network-load-balancers"},
		"no more of them": {
			sim.Fault{Status: 400, Code: "LimitExceeded", Message: "The limit of network load balancers is reached."},
			"EndpointFailed", "ask for a higher service limit",
		},
		"throttled":   {sim.Fault{Status: 429, Code: "TooManyRequests"}, "Throttled", "repeated later"},
		"unavailable": {sim.Fault{Status: 503, Code: "ServiceUnavailable"}, "Unavailable", "repeated later"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, helpers.WorldOptions{Accounts: 1})
			world.fault.Operation = "CreateNetworkLoadBalancer"
			b.OCI.AddFault(world.fault)
			infra := b.cluster("c1", balanced(infrav1.EndpointNetworkLoadBalancer))

			b.until(infra, "EndpointReady False "+world.reason)

			b.g.Expect(helpers.MessageOf(infra, infrav1.EndpointReadyCondition)).To(ContainSubstring(world.message))
			b.restart()
			b.until(infra, "Ready True Ready")
		})
	}
}

func TestALostLoadBalancerIsNotReplacedByOneWithAnotherAddress(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	infra := b.cluster("c1", balanced(infrav1.EndpointNetworkLoadBalancer))
	b.until(infra, "Ready True Ready")
	_, err := b.service(infra.Spec.EndpointType).Delete(t.Context(), ownership.Recorded(infra.Status.LoadBalancer.ID))
	b.g.Expect(err).NotTo(HaveOccurred())
	b.r.Options.NetworkInterval = time.Nanosecond

	b.until(infra, "EndpointReady False EndpointLost")

	b.g.Expect(helpers.MessageOf(infra, infrav1.EndpointReadyCondition)).To(ContainSubstring("reservedPublicIPID"))
	b.g.Expect(infra.Status.Initialization.Provisioned).To(HaveValue(BeTrue()), "that is never taken back")
	b.g.Expect(b.count("CreateNetworkLoadBalancer")).To(Equal(1))
	b.deleted(infra)
	b.ExpectNothingLeft(t)
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

func TestAFullRangeHealsWhenAClusterGoes(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1, VIPRange: "10.250.0.0/30"})
	first, second, third := b.cluster("c1"), b.cluster("c2"), b.cluster("c3")
	b.until(first, "EndpointReady True Ready")
	b.until(second, "EndpointReady True Ready")
	b.until(third, "EndpointReady False VIPRangeExhausted")

	b.deleted(first)

	b.until(third, "Ready True Ready")
	b.g.Expect(third.Spec.ControlPlaneEndpoint.Host).To(Equal("10.250.0.1"))
}

func TestAnAddressOutsideTheRangeIsRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	infra := b.cluster("c1", func(_ *clusterv1.Cluster, infra *infrav1.OCIMeshCluster) {
		infra.Spec.ControlPlaneEndpoint.Host = "10.9.9.9"
	})

	b.until(infra, "EndpointReady False EndpointOutOfRange")

	b.g.Expect(helpers.MessageOf(infra, infrav1.EndpointReadyCondition)).To(ContainSubstring("10.9.9.9 is not in the vipRange"))
	b.g.Expect(infra.Status.Initialization.Provisioned).To(BeNil())
	b.deleted(infra)
}

func TestAnAddressOfAnotherClusterIsRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	first := b.cluster("c1")
	b.until(first, "Ready True Ready")
	thief := b.cluster("c2", func(_ *clusterv1.Cluster, infra *infrav1.OCIMeshCluster) {
		infra.Spec.ControlPlaneEndpoint.Host = first.Spec.ControlPlaneEndpoint.Host
	})

	b.until(thief, "EndpointReady False EndpointInUse")

	b.g.Expect(helpers.MessageOf(thief, infrav1.EndpointReadyCondition)).To(ContainSubstring(b.Namespace + "/c1"))
	b.g.Expect(thief.Status.Initialization.Provisioned).To(BeNil())
}

// Another management cluster of the tailnet gives out of the same range, and is seen by the routes
// of its control planes only.
func TestAnAddressThatTheTailnetLeadsElsewhereIsNotTaken(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	b.Control.Add("other-control-plane", func(d *tailnetsim.Device) { d.Enabled = prefixes("10.250.0.1/32", "10.250.0.4/30") })
	b.Control.Add("office", func(d *tailnetsim.Device) { d.Enabled = prefixes("10.0.0.0/8", "10.250.0.0/24", "0.0.0.0/0") })
	for i, address := range []string{"10.250.0.2", "10.250.0.3", "10.250.0.8"} {
		infra := b.cluster(fmt.Sprintf("c%d", i))
		b.until(infra, "Ready True Ready")
		b.g.Expect(infra.Spec.ControlPlaneEndpoint.Host).To(Equal(address))
	}

	infra := b.cluster("chosen", func(_ *clusterv1.Cluster, infra *infrav1.OCIMeshCluster) {
		infra.Spec.ControlPlaneEndpoint.Host = "10.250.0.1"
	})
	b.until(infra, "EndpointReady False EndpointInUse")
	b.g.Expect(infra.Status.Initialization.Provisioned).To(BeNil())
}

func TestACrashBetweenTheAddressAndTheSpecKeepsTheAddress(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	crashed, other := b.cluster("c1"), b.cluster("c2")
	address, err := b.r.vipAllocator().Allocate(t.Context(), b.Tailnet.Name, crashed)
	b.g.Expect(err).NotTo(HaveOccurred())

	b.until(other, "Ready True Ready")
	b.until(crashed, "Ready True Ready")

	b.g.Expect(crashed.Spec.ControlPlaneEndpoint.Host).To(Equal(address))
	b.g.Expect(other.Spec.ControlPlaneEndpoint.Host).NotTo(Equal(address))
}

func TestTwoManagersNeverGiveOneAddressTwice(t *testing.T) {
	t.Parallel()
	const clusters = 8
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	var all []*infrav1.OCIMeshCluster
	for i := range clusters {
		all = append(all, b.cluster(fmt.Sprintf("c%d", i)))
	}
	for range 2 {
		env.Manager(t, func(ctx context.Context, mgr manager.Manager) error {
			r := &Reconciler{
				Client: mgr.GetClient(), Reader: mgr.GetAPIReader(),
				Clients: access.New(access.Options{Client: mgr.GetClient(), SecretMetadata: mgr.GetCache(), Limits: oci.Unlimited()}),
			}
			return r.SetupWithManager(ctx, mgr, Options{Intervals: phases.Intervals{Progress: 100 * time.Millisecond}})
		}, b.Namespace)
	}

	for _, infra := range all {
		// Conditions are written before the rest of the status.
		b.g.Eventually(func() *bool {
			env.Reload(t, infra)
			return infra.Status.Initialization.Provisioned
		}, 60*time.Second, 100*time.Millisecond).Should(HaveValue(BeTrue()))
	}

	hosts := map[string]bool{}
	networks := map[string]bool{}
	for _, infra := range all {
		hosts[infra.Spec.ControlPlaneEndpoint.Host] = true
		networks[infra.Status.Accounts[0].VCNID] = true
	}
	b.g.Expect(hosts).To(HaveLen(clusters))
	b.g.Expect(networks).To(HaveLen(clusters))
	left, err := b.OCI.Leftovers(b.Tenancies[0].Name)
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(left).To(HaveLen(5*clusters), "two managers at once make no network twice")
}

// Two lists of one range would give an address to two clusters.
func TestAClusterOfTheYoungerOfTwoTailnetsGetsNoAddressUntilTheOtherIsGone(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	first := b.cluster("c1")
	b.until(first, "Ready True Ready")
	elder := b.Tailnet
	b.Tailnet = helpers.NewTailnet(b.Namespace+"-2", b.TailnetCredentials, b.Control.URL(), "10.250.0.0/24")
	b.Create(t, b.Tailnet)
	b.SetReady(t, b.Tailnet, metav1.ConditionTrue, infrav1.ReadyReason, "")
	second, chosen := b.cluster("c2"), b.cluster("c3", func(_ *clusterv1.Cluster, infra *infrav1.OCIMeshCluster) {
		infra.Spec.ControlPlaneEndpoint.Host = "10.250.0.9"
	})
	for _, refused := range []*infrav1.OCIMeshCluster{second, chosen} {
		b.until(refused, "EndpointReady False VIPRangeOverlap")
		b.g.Expect(refused.Status.Initialization.Provisioned).To(BeNil())
		b.g.Expect(helpers.MessageOf(refused, infrav1.EndpointReadyCondition)).To(ContainSubstring("an older Tailnet object of the same network"))
	}
	b.until(first, "Ready True Ready")

	b.deleted(first)
	b.g.Expect(b.Client.Delete(t.Context(), elder)).To(Succeed())

	b.until(second, "Ready True Ready")
	b.until(chosen, "Ready True Ready")
}

// A move loses the Tailnet's list, and it comes back from the specs.
func TestTheAddressOfAMovedClusterIsReadyOnceTheTailnetListsIt(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	at := func(_ *clusterv1.Cluster, infra *infrav1.OCIMeshCluster) {
		infra.Spec.ControlPlaneEndpoint.Host = "10.250.0.9"
	}
	moved, squatter := b.cluster("moved", at), b.cluster("squatter", at)
	b.machineIn(moved, "moved-1", b.AccountNames()[0])

	b.until(moved, "EndpointReady False Waiting")
	b.g.Expect(helpers.MessageOf(moved, infrav1.EndpointReadyCondition)).To(ContainSubstring("delete the wrong one"))
	b.g.Expect(moved.Status.Initialization.Provisioned).To(BeNil())

	b.deleted(squatter)
	b.until(moved, "Ready True Ready")
	b.Reload(t, b.Tailnet)
	b.g.Expect(b.Tailnet.Status.VIPAllocations).To(ConsistOf(HaveField("Name", "moved")))
}

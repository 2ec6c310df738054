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
	infra := b.cluster("c1", at("10.9.9.9"))

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

// unlaunched makes a machine before the cluster has a pass, as a Machine by hand, a preflight check
// that is off or a forged label does.
func (b *bench) unlaunched(infra *infrav1.OCIMeshCluster) *infrav1.OCIMeshMachine {
	b.t.Helper()
	machine := helpers.NewMachine(helpers.NewCluster(infra.Namespace, infra.Name), infra.Name+"-early")
	b.Create(b.t, machine)
	early := helpers.NewOCIMeshMachine(machine)
	b.Create(b.t, early)
	return early
}

// Another management cluster of the tailnet gives out of the same range, and is seen by the routes
// of its control planes only. A machine that nobody has launched proves no address.
func TestAnAddressThatTheTailnetLeadsElsewhereIsNotTaken(t *testing.T) {
	t.Parallel()
	for name, early := range map[string]bool{"before there is a machine": false, "with a machine that is not launched": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, helpers.WorldOptions{Accounts: 1})
			b.Control.Add("other-control-plane", func(d *tailnetsim.Device) { d.Enabled = prefixes("10.250.0.1/32", "10.250.0.4/30") })
			b.Control.Add("office", func(d *tailnetsim.Device) { d.Enabled = prefixes("10.0.0.0/8", "10.250.0.0/24", "0.0.0.0/0") })
			made := func(name string, change ...change) *infrav1.OCIMeshCluster {
				infra := b.cluster(name, change...)
				if early {
					b.unlaunched(infra)
				}
				return infra
			}
			for i, address := range []string{"10.250.0.2", "10.250.0.3", "10.250.0.8"} {
				infra := made(fmt.Sprintf("c%d", i))
				b.until(infra, "Ready True Ready")
				b.g.Expect(infra.Spec.ControlPlaneEndpoint.Host).To(Equal(address))
			}

			infra := made("chosen", at("10.250.0.1"))
			b.until(infra, "EndpointReady False EndpointInUse")
			b.g.Expect(helpers.MessageOf(infra, infrav1.EndpointReadyCondition)).To(And(
				HavePrefix("The tailnet leads to device other-control-plane."), ContainSubstring(" for address 10.250.0.1 already, which is no node: ")))
			b.g.Expect(infra.Status.Initialization.Provisioned).To(BeNil())
		})
	}
}

// at has the address in the spec from the beginning, as after a move.
func at(address string) change {
	return func(_ *clusterv1.Cluster, infra *infrav1.OCIMeshCluster) {
		infra.Spec.ControlPlaneEndpoint.Host = address
	}
}

// A move and a restore bring machines without status. The devices that the tailnet leads to for the
// address are theirs, or another management cluster's, until they have found them.
func TestAnAddressThatMayBeAMovedClustersWaitsForItsDevices(t *testing.T) {
	t.Parallel()
	for name, world := range map[string]struct {
		// recordedBy is the cluster whose machine records the device in the end.
		recordedBy string
		want       string
	}{
		"it is a control plane of its own": {"moved", "Ready True Ready"},
		"it is another cluster's":          {"other", "EndpointReady False EndpointInUse"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, helpers.WorldOptions{Accounts: 1})
			device := b.Control.Add("control-plane", func(d *tailnetsim.Device) {
				d.Enabled, d.Tags = prefixes("10.250.0.9/32"), []string{helpers.ControlPlaneTag}
			})
			moved, other := b.cluster("moved", at("10.250.0.9")), b.cluster("other")
			machines := map[string]*infrav1.OCIMeshMachine{"moved": b.unlaunched(moved), "other": b.unlaunched(other)}

			b.until(moved, "EndpointReady False Waiting")
			b.g.Expect(helpers.MessageOf(moved, infrav1.EndpointReadyCondition)).To(And(
				ContainSubstring("find their devices"), ContainSubstring("for address 10.250.0.9"), ContainSubstring("if this lasts")))
			b.g.Expect(moved.Status.Initialization.Provisioned).To(BeNil())

			recorder := machines[world.recordedBy]
			recorder.Status.Tailnet = infrav1.TailnetDeviceStatus{Name: b.Tailnet.Name, DeviceID: device.ID, Hostname: "control-plane"}
			b.g.Expect(b.Client.Status().Update(t.Context(), recorder)).To(Succeed())
			b.until(moved, world.want)
		})
	}
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
	second, chosen := b.cluster("c2"), b.cluster("c3", at("10.250.0.9"))
	early, chosenEarly := b.cluster("c4"), b.cluster("c5", at("10.250.0.10"))
	b.unlaunched(early)
	b.unlaunched(chosenEarly)
	all := []*infrav1.OCIMeshCluster{second, chosen, early, chosenEarly}
	for _, refused := range all {
		b.until(refused, "EndpointReady False VIPRangeOverlap")
		b.g.Expect(refused.Status.Initialization.Provisioned).To(BeNil())
		b.g.Expect(helpers.MessageOf(refused, infrav1.EndpointReadyCondition)).To(ContainSubstring("an older Tailnet object of the same network"))
	}
	b.until(first, "Ready True Ready")

	b.deleted(first)
	b.g.Expect(b.Client.Delete(t.Context(), elder)).To(Succeed())

	for _, refused := range all {
		b.until(refused, "Ready True Ready")
	}
}

// A move loses the Tailnet's list, and it comes back from the specs.
func TestTheAddressOfAMovedClusterIsReadyOnceTheTailnetListsIt(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	moved, squatter := b.cluster("moved", at("10.250.0.9")), b.cluster("squatter", at("10.250.0.9"))
	b.machineIn(moved, "moved-1", b.AccountNames()[0])

	b.until(moved, "EndpointReady False Waiting")
	b.g.Expect(helpers.MessageOf(moved, infrav1.EndpointReadyCondition)).To(ContainSubstring("delete the wrong one"))
	b.g.Expect(moved.Status.Initialization.Provisioned).To(BeNil())

	b.deleted(squatter)
	b.until(moved, "Ready True Ready")
	b.Reload(t, b.Tailnet)
	b.g.Expect(b.Tailnet.Status.VIPAllocations).To(ConsistOf(HaveField("Name", "moved")))
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"net/netip"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

func routed(_ *clusterv1.Cluster, infra *infrav1.OCIMeshCluster) {
	infra.Spec.PodNetwork.Mode = infrav1.PodNetworkTailnetRoutes
}

func pods(blocks ...string) change {
	return func(cluster *clusterv1.Cluster, _ *infrav1.OCIMeshCluster) {
		cluster.Spec.ClusterNetwork.Pods.CIDRBlocks = blocks
	}
}

func services(blocks ...string) change {
	return func(cluster *clusterv1.Cluster, _ *infrav1.OCIMeshCluster) {
		cluster.Spec.ClusterNetwork.Services.CIDRBlocks = blocks
	}
}

func vcn(block string) change {
	return func(_ *clusterv1.Cluster, infra *infrav1.OCIMeshCluster) {
		for i := range infra.Spec.Accounts {
			infra.Spec.Accounts[i].Network.Managed = &infrav1.ManagedNetwork{VCNCIDR: block, SubnetCIDR: block}
		}
	}
}

// refused expects that neither an address is taken nor a machine may be made.
func (b *bench) refused(infra *infrav1.OCIMeshCluster, reason string) {
	b.t.Helper()
	b.until(infra, "RangesDistinct False "+reason)
	b.g.Expect(helpers.ConditionsOf(infra)).To(ContainElement("Ready False " + reason))
	b.g.Expect(infra.Status.Initialization.Provisioned).To(BeNil())
	b.g.Expect(infra.Spec.ControlPlaneEndpoint.Host).To(BeEmpty())
}

func prefixes(texts ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, text := range texts {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}

// The first is made before the second. One tailnet, all the rest as in the templates.
func TestTwoClustersOfOneTailnet(t *testing.T) {
	t.Parallel()
	for name, world := range map[string]struct {
		first, second []change
		reason        string
	}{
		"both with VXLAN":                                       {},
		"VXLAN, then routes":                                    {second: []change{routed}, reason: infrav1.PodRangeInUseReason},
		"routes, then VXLAN":                                    {first: []change{routed}, reason: infrav1.PodRangeInUseReason},
		"both with routes":                                      {first: []change{routed}, second: []change{routed}, reason: infrav1.PodRangeInUseReason},
		"routes to other pods":                                  {second: []change{routed, pods("10.245.0.0/16")}},
		"both with routes to pods of their own":                 {first: []change{routed}, second: []change{routed, pods("10.245.0.0/16")}},
		"routes to a part of the other's pods":                  {second: []change{routed, pods("10.244.128.0/17")}, reason: infrav1.PodRangeInUseReason},
		"routes to more than the other's pods":                  {second: []change{routed, pods("10.244.0.0/15")}, reason: infrav1.PodRangeInUseReason},
		"routes to the other's services":                        {second: []change{routed, pods("10.96.0.0/16"), services("10.20.0.0/16")}, reason: infrav1.PodRangeInUseReason},
		"services where the other has routes to pods":           {first: []change{routed, pods("10.97.0.0/16"), services("10.20.0.0/16")}, second: nil, reason: infrav1.PodRangeInUseReason},
		"routes to the other's VCN":                             {first: []change{vcn("10.9.0.0/16")}, second: []change{routed, pods("10.9.0.0/16")}, reason: infrav1.PodRangeInUseReason},
		"a VCN where the other has routes to pods":              {first: []change{routed, pods("10.9.0.0/16")}, second: []change{vcn("10.9.0.0/16")}, reason: infrav1.PodRangeInUseReason},
		"pods of two families, of which IPv4 meets":             {second: []change{routed, pods("10.244.0.0/16", "fd00:1::/56")}, reason: infrav1.PodRangeInUseReason},
		"VXLAN over the other's VCN and services: stays inside": {first: []change{vcn("10.9.0.0/16")}, second: []change{pods("10.9.0.0/16")}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, helpers.WorldOptions{Accounts: 1})
			first := b.cluster("c1", world.first...)
			b.until(first, "Ready True Ready")
			second := b.cluster("c2", world.second...)
			if world.reason == "" {
				b.until(second, "Ready True Ready")
				b.g.Expect(helpers.ConditionsOf(second)).To(ContainElement("RangesDistinct True Ready"))
			} else {
				b.refused(second, world.reason)
				b.g.Expect(helpers.MessageOf(second, infrav1.RangesDistinctCondition)).To(ContainSubstring("OCIMeshCluster " + b.Namespace + "/c1"))
			}
			b.restart()
			b.until(first, "Ready True Ready")
			b.g.Expect(helpers.ConditionsOf(first)).To(ContainElement("RangesDistinct True Ready"), "the first lives on undisturbed")
			if world.reason == "" {
				return
			}
			b.deleted(first)
			b.until(second, "Ready True Ready")
			b.g.Expect(second.Status.Initialization.Provisioned).To(HaveValue(BeTrue()), "it heals when the cause goes")
		})
	}
}

func TestARefusedClusterHealsWithAnotherPodNetwork(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	first := b.cluster("c1")
	b.until(first, "Ready True Ready")
	second := b.cluster("c2", routed)
	b.refused(second, infrav1.PodRangeInUseReason)
	cluster := helpers.NewCluster(b.Namespace, "c2")
	helpers.Update(t, env, cluster, func(c *clusterv1.Cluster) { c.Spec.ClusterNetwork.Pods.CIDRBlocks = []string{"10.245.0.0/16"} })
	b.until(second, "Ready True Ready")
	b.g.Expect(second.Status.Ranges.Pods).To(Equal([]string{"10.245.0.0/16"}))
}

func TestAClustersOwnRanges(t *testing.T) {
	t.Parallel()
	for name, world := range map[string]struct {
		change []change
		says   string
	}{
		"pods in services":  {[]change{pods("10.100.0.0/16")}, "The pod range 10.100.0.0/16 overlaps the service range 10.96.0.0/12"},
		"pods in a VCN":     {[]change{pods("10.0.128.0/17")}, "overlaps the VCN range of account"},
		"services in a VCN": {[]change{services("10.0.0.0/20")}, "The service range 10.0.0.0/20 overlaps the VCN range"},
		"IPv6 of both":      {[]change{pods("10.244.0.0/16", "fd00::/56"), services("10.96.0.0/12", "fd00::/112")}, "The pod range fd00::/56 overlaps the service range fd00::/112"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, helpers.WorldOptions{Accounts: 1})
			infra := b.cluster("c1", world.change...)
			b.refused(infra, infrav1.RangesOverlapReason)
			b.g.Expect(helpers.MessageOf(infra, infrav1.RangesDistinctCondition)).To(ContainSubstring(world.says))
		})
	}
}

func TestPodsInANetworkOfTheUsersOwnAreSeen(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	provider := b.cluster("provider", vcn("10.9.0.0/16"))
	b.until(provider, "Ready True Ready")
	existing := func(_ *clusterv1.Cluster, infra *infrav1.OCIMeshCluster) {
		if len(infra.Spec.Accounts) > 0 {
			infra.Spec.Accounts[0].Network = infrav1.AccountNetwork{
				Existing: infrav1.ExistingNetwork{SubnetID: provider.Status.Accounts[0].SubnetID},
			}
		}
	}
	b.refused(b.cluster("c1", existing, pods("10.9.0.0/16")), infrav1.RangesOverlapReason)

	user := b.cluster("c2", existing)
	b.until(user, "Ready True Ready")
	b.g.Expect(user.Status.Accounts[0].Ranges).To(ContainElement("10.9.0.0/16"))
	b.deleted(user)
}

func TestWhatTheTailnetHasAlready(t *testing.T) {
	t.Parallel()
	for name, world := range map[string]struct {
		change    []change
		podRanges []string
		enabled   []string
		tags      []string
		condition string
		says      string
	}{
		"an exit node, a home and an office": {change: []change{routed}, enabled: []string{"0.0.0.0/0", "::/0", "192.168.1.0/24", "10.0.0.0/8"}, condition: "RangesDistinct True Ready"},
		"a connector of the pods":            {change: []change{routed}, enabled: []string{"10.244.0.0/16"}, condition: "RangesDistinct False PodRangeInUse", says: "which is no node"},
		"a connector, and VXLAN":             {enabled: []string{"10.244.0.0/16"}, condition: "RangesDistinct True Ready"},
		"another management cluster's node":  {change: []change{routed}, enabled: []string{"10.244.7.0/24"}, tags: []string{helpers.NodeTag}, condition: "RangesDistinct False PodRangeInUse", says: "no machine that this manager knows"},
		"a home, and pods in it":             {change: []change{routed, pods("192.168.1.0/25")}, enabled: []string{"192.168.1.0/24"}, condition: "RangesDistinct False PodRangeInUse"},
		"not in podRanges":                   {change: []change{routed}, podRanges: []string{"10.128.0.0/14"}, condition: "RangesDistinct False PodRangeNotAllowed", says: "podRanges"},
		"not in podRanges, and VXLAN":        {podRanges: []string{"10.128.0.0/14"}, condition: "RangesDistinct True Ready"},
		"in podRanges":                       {change: []change{routed}, podRanges: []string{"10.244.0.0/14"}, condition: "RangesDistinct True Ready"},
		"not private":                        {change: []change{routed, pods("8.8.8.0/24")}, condition: "RangesDistinct False PodRangeNotAllowed", says: "no private address space"},
		"where the virtual addresses are":    {change: []change{routed, pods("10.250.0.0/24")}, condition: "RangesDistinct False PodRangeNotAllowed", says: "vipRange"},
		"a connector of the services":        {enabled: []string{"10.96.0.0/12"}, condition: "RangesDistinct False ServiceRangeRouted", says: "another service range"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, helpers.WorldOptions{Accounts: 1})
			if world.podRanges != nil {
				helpers.Update(t, env, b.Tailnet, func(tn *infrav1.Tailnet) { tn.Spec.PodRanges = world.podRanges })
			}
			b.Control.Add("other", func(d *tailnetsim.Device) { d.Enabled, d.Tags = prefixes(world.enabled...), world.tags })
			infra := b.cluster("c1", world.change...)
			b.until(infra, world.condition)
			b.g.Expect(helpers.MessageOf(infra, infrav1.RangesDistinctCondition)).To(ContainSubstring(world.says))
			switch world.condition {
			case "RangesDistinct True Ready", "RangesDistinct False ServiceRangeRouted":
				b.until(infra, "Ready True Ready")
				b.g.Expect(infra.Status.Initialization.Provisioned).To(HaveValue(BeTrue()))
			default:
				b.refused(infra, conditions.GetReason(infra, infrav1.RangesDistinctCondition))
			}
		})
	}
}

// Nodes hold the first range: a change is told, and compared is what they hold.
func TestAChangedPodRangeOfALivingClusterIsTold(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	infra := b.cluster("c1", routed)
	b.until(infra, "Ready True Ready")
	cluster := helpers.NewCluster(b.Namespace, "c1")
	helpers.Update(t, env, cluster, func(c *clusterv1.Cluster) { c.Spec.ClusterNetwork.Pods.CIDRBlocks = []string{"10.50.0.0/16"} })

	b.until(infra, "RangesDistinct False RangesChanged")

	b.g.Expect(helpers.ConditionsOf(infra)).To(ContainElement("Ready True Ready"))
	b.g.Expect(infra.Status.Ranges.Pods).To(Equal([]string{"10.244.0.0/16"}))
	b.until(b.cluster("c2", pods("10.50.0.0/16")), "Ready True Ready")
}

// A namespace that the tailnet does not allow has no effect on others, older or not.
func TestT1BlocksNobodyFromOutside(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	cluster := helpers.NewCluster(env.Namespace(t, nil), "attacker")
	env.Create(t, cluster)
	attacker := helpers.NewOCIMeshCluster(cluster, b.Tailnet.Name, b.AccountNames(), func(infra *infrav1.OCIMeshCluster) {
		routed(cluster, infra)
		infra.Spec.ControlPlaneEndpoint = infrav1.APIEndpoint{Host: "10.250.0.9", Port: 6443}
	})
	env.Create(t, attacker)
	for range 3 {
		_, err := b.reconcile(attacker)
		b.g.Expect(err).NotTo(HaveOccurred())
	}
	b.until(b.cluster("c1"), "Ready True Ready")
	b.g.Expect(helpers.ConditionsOf(attacker)).NotTo(ContainElement("Ready True Ready"))
}

// A move loses status and makes clusters anew in any order. The one with machines must not find
// its place taken by one that was refused before.
func TestAfterAMoveTheClusterWithMachinesIsFirst(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	refused := b.cluster("refused", routed)
	living := b.cluster("living", routed, func(_ *clusterv1.Cluster, infra *infrav1.OCIMeshCluster) {
		infra.Spec.ControlPlaneEndpoint = infrav1.APIEndpoint{Host: "10.250.0.1", Port: 6443}
	})
	b.refused(refused, infrav1.PodRangeInUseReason)
	found := b.machineIn(living, "living-1", b.AccountNames()[0])
	found.Status.Tailnet = infrav1.TailnetDeviceStatus{Name: b.Tailnet.Name, DeviceID: "1", Hostname: "living-1"}
	b.g.Expect(b.Client.Status().Update(t.Context(), found)).To(Succeed())

	b.until(living, "Ready True Ready")
	b.refused(refused, infrav1.PodRangeInUseReason)
}

// Labels are written by users: a second infrastructure with the name of a living cluster is not
// alive for that. A move takes the status along with nothing: what has machines goes on, whatever
// is in the tailnet.
func TestAMovedClusterWithMachinesIsToldOfARouteAndGoesOn(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	b.Control.Add("connector", func(d *tailnetsim.Device) { d.Enabled = prefixes("10.244.0.0/16") })
	moved := b.cluster("moved", routed)
	b.refused(moved, infrav1.PodRangeInUseReason)
	found := b.machineIn(moved, "moved-1", b.AccountNames()[0])
	found.Status.Tailnet = infrav1.TailnetDeviceStatus{Name: b.Tailnet.Name, DeviceID: "1", Hostname: "moved-1"}
	b.g.Expect(b.Client.Status().Update(t.Context(), found)).To(Succeed())

	b.until(moved, "Ready True Ready")
	b.until(moved, "RangesDistinct False PodRangeInUse")
	b.g.Expect(moved.Status.Initialization.Provisioned).To(HaveValue(BeTrue()))
}

func TestALivingClusterIsToldOfARouteThatTakesItsPods(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	living := b.cluster("living", routed)
	b.until(living, "Ready True Ready")

	b.Control.Add("connector", func(d *tailnetsim.Device) { d.Enabled = prefixes("10.244.3.0/25") })

	b.until(living, "RangesDistinct False PodRangeInUse")
	b.g.Expect(helpers.MessageOf(living, infrav1.RangesDistinctCondition)).To(And(ContainSubstring("device connector"),
		ContainSubstring("other nodes reach no pods in 10.244.3.0/25, or only by chance; take the approval from that route")))
	b.until(living, "Ready True Ready")
}

// A node that no machine knows is nobody's of this cluster once all of its machines have devices.
func TestALivingClusterIsToldOfAnUnknownNodeWithItsPods(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	living := b.cluster("living", routed)
	b.until(living, "Ready True Ready")
	machine := b.machineIn(living, "living-1", b.AccountNames()[0])
	b.Control.Add("elsewhere", func(d *tailnetsim.Device) { d.Enabled, d.Tags = prefixes("10.244.3.0/24"), []string{helpers.NodeTag} })

	b.until(living, "RangesDistinct True Ready")
	machine.Status.Tailnet = infrav1.TailnetDeviceStatus{Name: b.Tailnet.Name, DeviceID: "1", Hostname: "living-1"}
	b.g.Expect(b.Client.Status().Update(t.Context(), machine)).To(Succeed())
	b.until(living, "RangesDistinct False PodRangeInUse")
}

func TestALivingClusterIsToldOfAnotherDeviceWithItsAddress(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	living := b.cluster("living")
	b.until(living, "Ready True Ready")
	route := prefixes(living.Spec.ControlPlaneEndpoint.Host + "/32")
	own := b.Control.Add("living-1", func(d *tailnetsim.Device) { d.Enabled, d.Tags = route, []string{helpers.ControlPlaneTag} })
	machine := b.machineIn(living, "living-1", b.AccountNames()[0])
	helpers.Update(t, env, machine, func(m *infrav1.OCIMeshMachine) { m.Labels[clusterv1.MachineControlPlaneLabel] = "" })
	machine.Status.Tailnet = infrav1.TailnetDeviceStatus{Name: b.Tailnet.Name, DeviceID: own.ID, Hostname: "living-1"}
	b.g.Expect(b.Client.Status().Update(t.Context(), machine)).To(Succeed())
	b.until(living, "RangesDistinct True Ready")

	b.Control.Add("usurper", func(d *tailnetsim.Device) { d.Enabled = route })

	b.until(living, "RangesDistinct False EndpointInUse")
	b.g.Expect(helpers.MessageOf(living, infrav1.RangesDistinctCondition)).To(ContainSubstring("approved for device usurper"))
	b.until(living, "Ready True Ready")
}

func TestT1LendsNoMachinesToAnotherInfrastructure(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	other := b.cluster("other", pods("10.50.0.0/16"))
	alive := b.machineIn(other, "other-1", b.AccountNames()[0])
	alive.Status.Tailnet = infrav1.TailnetDeviceStatus{Name: b.Tailnet.Name, DeviceID: "1", Hostname: "other-1"}
	b.g.Expect(b.Client.Status().Update(t.Context(), alive)).To(Succeed())
	cluster, err := clusterOf(t.Context(), b.Client, other)
	b.g.Expect(err).NotTo(HaveOccurred())

	victim := b.cluster("victim")
	forged := other.DeepCopy()
	forged.Name, forged.UID, forged.CreationTimestamp.Time = "forged", "forged", victim.CreationTimestamp.Add(time.Hour)
	for infra, first := range map[*infrav1.OCIMeshCluster]bool{other: true, forged: false} {
		is, err := comesFirst(t.Context(), b.Client, infra, cluster, false, &scope{infra: victim})
		b.g.Expect(err).NotTo(HaveOccurred())
		b.g.Expect(is).To(Equal(first), infra.Name)
	}
}

func TestWhoComesFirst(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	now := metav1.Now()
	provisioned := func(infra *infrav1.OCIMeshCluster) { infra.Status.Initialization.Provisioned = ptr.To(true) }
	address := func(infra *infrav1.OCIMeshCluster) { infra.Spec.ControlPlaneEndpoint.Host = "10.250.0.1" }
	older := func(infra *infrav1.OCIMeshCluster) { infra.CreationTimestamp.Time = now.Add(-time.Hour) }
	unpaused := func(ago time.Duration) func(*infrav1.OCIMeshCluster) {
		return func(infra *infrav1.OCIMeshCluster) {
			infra.Status.Conditions = []metav1.Condition{{Type: clusterv1.PausedCondition, LastTransitionTime: metav1.NewTime(now.Add(-ago))}}
		}
	}
	deleted := func(infra *infrav1.OCIMeshCluster) { infra.DeletionTimestamp = &now }
	withRoutes := func(infra *infrav1.OCIMeshCluster) { routed(nil, infra) }
	for name, world := range map[string]struct {
		other, own     []func(*infrav1.OCIMeshCluster)
		refused, first bool
	}{
		"the older":                             {other: with(older), first: true},
		"the older, which is refused anyhow":    {other: with(older), refused: true},
		"refused, moved with an address":        {other: with(address), own: with(older, unpaused(time.Minute)), refused: true, first: true},
		"refused by now, with machines":         {other: with(older, provisioned), own: with(provisioned), refused: true, first: true},
		"the younger":                           {own: with(older)},
		"who may have machines":                 {other: with(provisioned), own: with(older), first: true},
		"own may have machines":                 {other: with(older), own: with(provisioned)},
		"both may: the older":                   {other: with(older, provisioned), own: with(provisioned), first: true},
		"moved with an address":                 {other: with(address), own: with(older, unpaused(time.Minute)), first: true},
		"moved with an address, long ago":       {other: with(address), own: with(older, unpaused(time.Hour))},
		"moved with an address, both":           {other: with(address), own: with(older, address, unpaused(time.Minute))},
		"an address does not make older":        {other: with(older), own: with(address, unpaused(time.Minute)), first: true},
		"the older, being deleted":              {other: with(older, deleted)},
		"being deleted with machines":           {other: with(provisioned, deleted), own: with(older), first: true},
		"made in the same second: VXLAN":        {own: with(withRoutes), first: true},
		"made in the same second: routes later": {other: with(withRoutes)},
	} {
		t.Run(name, func(t *testing.T) {
			made := func(name string, changes []func(*infrav1.OCIMeshCluster)) *infrav1.OCIMeshCluster {
				infra := &infrav1.OCIMeshCluster{ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace, Name: name, CreationTimestamp: now}}
				infra.Spec.EndpointType = infrav1.EndpointTailnetVIP
				for _, f := range changes {
					f(infra)
				}
				return infra
			}
			first, err := comesFirst(t.Context(), b.Client, made("other", world.other), nil, world.refused, &scope{infra: made("own", world.own)})
			NewWithT(t).Expect(err).NotTo(HaveOccurred())
			NewWithT(t).Expect(first).To(Equal(world.first))
		})
	}
}

func with(all ...func(*infrav1.OCIMeshCluster)) []func(*infrav1.OCIMeshCluster) { return all }

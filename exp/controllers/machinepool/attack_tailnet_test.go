// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool_test

import (
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

func prefixes(texts ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, text := range texts {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}

// routedBench has a pool of one node whose pods travel by the tailnet's routes.
func routedBench(t *testing.T) (*bench, expv1.OCIMeshMachinePoolMachine) {
	t.Helper()
	b := (&bench{podNetwork: infrav1.PodNetworkTailnetRoutes}).begin(t, 1)
	b.untilReady(t, 1)
	return b, b.machines(t)[0]
}

func (b *bench) tailnetClient(t *testing.T) *tailnet.Client {
	t.Helper()
	c, err := b.Clients.TailnetClient(t.Context(), b.Tailnet)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return c
}

func TestT2OnlyTheOwnPartOfThePodNetworkIsApprovedForAPoolsNode(t *testing.T) {
	t.Parallel()
	for name, world := range map[string]struct {
		advertised, enabled []netip.Prefix
		refused             bool
	}{
		"a node's part":                 {prefixes("10.244.3.0/24"), prefixes("10.244.3.0/24"), false},
		"nothing yet":                   {nil, nil, false},
		"what is not the pod network's": {prefixes("10.244.3.0/24", "192.168.7.0/24", "0.0.0.0/0"), prefixes("10.244.3.0/24"), false},
		"both halves":                   {prefixes("10.244.0.0/17", "10.244.128.0/17"), nil, true},
		"the parts of several nodes":    {prefixes("10.244.3.0/24", "10.244.4.0/24"), nil, true},
		"a part of another size":        {prefixes("10.244.4.0/23"), nil, true},
		"a single pod":                  {prefixes("10.244.9.9/32"), nil, true},
		"another node's":                {prefixes("10.244.9.0/24"), nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, node := routedBench(t)
			id := node.Status.Tailnet.DeviceID
			b.Control.Add("another-node", func(d *tailnetsim.Device) { d.Tags, d.Enabled = []string{helpers.NodeTag}, prefixes("10.244.9.0/24") })
			b.Control.Add("exit-node", func(d *tailnetsim.Device) { d.Enabled = prefixes("0.0.0.0/0", "::/0", "10.0.0.0/8") })
			NewWithT(t).Expect(b.Control.Advertise(id, world.advertised...)).To(Succeed())
			b.until(t, func(g Gomega) {
				device, _ := b.Device(id)
				g.Expect(device.Enabled).To(ConsistOf(world.enabled))
				now := b.machines(t)[0]
				reason := conditions.GetReason(&now, infrav1.TailnetReadyCondition)
				g.Expect(reason == infrav1.PodRouteRefusedReason).To(Equal(world.refused), reason)
			})
			for range 5 {
				NewWithT(t).Expect(b.pass(t.Context())).To(Succeed())
			}
			device, _ := b.Device(id)
			NewWithT(t).Expect(device.Enabled).To(ConsistOf(world.enabled))
		})
	}
}

func TestT2AYoungerDeviceTakesNoPoolMachinesPlace(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b, node := routedBench(t)
	before := node.Status.Tailnet
	intruder := b.Intruder(t, before.Hostname, helpers.NodeTag)
	g.Expect(b.Control.Advertise(intruder.ID, prefixes("10.244.3.0/24")...)).To(Succeed())
	for range 20 {
		g.Expect(b.pass(t.Context())).To(Succeed())
	}
	g.Expect(b.machines(t)[0].Status.Tailnet).To(Equal(before))
	now, _ := b.Device(intruder.ID)
	g.Expect(now.Enabled).To(BeEmpty())

	b.delete(t)
	_, left := b.Device(intruder.ID)
	g.Expect(left).To(BeTrue())
	_, left = b.Device(before.DeviceID)
	g.Expect(left).To(BeFalse())
}

func TestT1APoolMachineOfAnotherDevicesNameEndsNothing(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b, node := routedBench(t)
	database := b.Intruder(t, "database", helpers.NodeTag)
	forged := &expv1.OCIMeshMachinePoolMachine{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: b.Namespace, Name: "database", Labels: map[string]string{clusterv1.ClusterNameLabel: b.cluster.Name},
			Finalizers:      []string{expv1.OCIMeshMachinePoolMachineFinalizer},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: expv1.GroupVersion.String(), Kind: "OCIMeshMachinePool", Name: b.own.Name, UID: b.own.UID}},
		},
		Spec: expv1.OCIMeshMachinePoolMachineSpec{ProviderID: node.Spec.ProviderID},
	}
	b.Create(t, forged)
	for range 10 {
		g.Expect(b.pass(t.Context())).To(Succeed())
	}
	b.Reload(t, forged)
	g.Expect(forged.Status.Tailnet.DeviceID).To(BeEmpty())
	g.Expect(b.Client.Delete(t.Context(), forged)).To(Succeed())
	eventually(g, func(g Gomega) {
		g.Expect(b.pass(t.Context())).To(Succeed())
		g.Expect(client.IgnoreNotFound(b.Client.Get(t.Context(), client.ObjectKeyFromObject(forged), forged))).To(Succeed())
	})
	_, left := b.Device(database.ID)
	g.Expect(left).To(BeTrue())
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/cluster-api/util/conditions"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

// prefixes reads networks.
func prefixes(texts ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, text := range texts {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}

// routedBench is a world with a cluster with pods on the tailnet's routes.
func routedBench(t *testing.T) *bench {
	t.Helper()
	b := newBench(t, helpers.WorldOptions{})
	b.cluster, b.infra = b.newCluster(t, "routes", func(infra *infrav1.OCIMeshCluster) {
		infra.Spec.PodNetwork.Mode = infrav1.PodNetworkTailnetRoutes
	})
	return b
}

func TestOnlyTheNodesOwnPartOfThePodNetworkIsApproved(t *testing.T) {
	t.Parallel()
	for name, world := range map[string]struct {
		advertised, enabled []netip.Prefix
		refused             bool
	}{
		"a node's part":                   {prefixes("10.244.3.0/24"), prefixes("10.244.3.0/24"), false},
		"nothing yet":                     {nil, nil, false},
		"what is not the pod network's":   {prefixes("10.244.3.0/24", "10.245.0.0/24", "192.168.7.0/24"), prefixes("10.244.3.0/24"), false},
		"a way out to everywhere":         {prefixes("10.244.3.0/24", "0.0.0.0/0"), prefixes("10.244.3.0/24"), false},
		"the whole pod network":           {prefixes("10.244.0.0/16"), nil, true},
		"more than the pod network":       {prefixes("10.240.0.0/12"), nil, true},
		"the parts of several nodes":      {prefixes("10.244.3.0/24", "10.244.4.0/24"), nil, true},
		"a part of another size":          {prefixes("10.244.4.0/23"), nil, true},
		"a single pod of somebody else's": {prefixes("10.244.9.9/32"), nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := routedBench(t)
			own := b.machine(t, "worker")
			b.untilProvisioned(t, own)
			NewWithT(t).Expect(b.Control.Advertise(own.Status.Tailnet.DeviceID, world.advertised...)).To(Succeed())

			b.until(t, own, func(g Gomega) {
				g.Expect(b.Control.Devices()[0].Enabled).To(ConsistOf(world.enabled))
				reason := conditions.GetReason(own, infrav1.TailnetReadyCondition)
				g.Expect(reason == infrav1.PodRouteRefusedReason).To(Equal(world.refused), reason)
			})
			b.delete(t, own)
		})
	}
}

func TestAPodRouteOfAnotherDeviceIsApprovedOnceThatIsGone(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := routedBench(t)
	leaving, coming := b.machine(t, "leaving"), b.machine(t, "coming")
	b.untilProvisioned(t, leaving)
	b.untilProvisioned(t, coming)
	route := prefixes("10.244.3.0/24")
	enabled := func(own *infrav1.OCIMeshMachine) []netip.Prefix {
		for _, device := range b.Control.Devices() {
			if device.ID == own.Status.Tailnet.DeviceID {
				return device.Enabled
			}
		}
		return nil
	}
	g.Expect(b.Control.Advertise(leaving.Status.Tailnet.DeviceID, route...)).To(Succeed())
	b.until(t, leaving, func(g Gomega) { g.Expect(enabled(leaving)).To(Equal(route)) })

	g.Expect(b.Control.Advertise(coming.Status.Tailnet.DeviceID, route...)).To(Succeed())
	b.until(t, coming, func(g Gomega) {
		condition := conditions.Get(coming, infrav1.TailnetReadyCondition)
		g.Expect(condition).NotTo(BeNil())
		g.Expect(condition.Status).To(Equal(metav1.ConditionFalse))
		g.Expect(condition.Reason).To(Equal(infrav1.PodRouteRefusedReason))
		g.Expect(condition.Message).To(ContainSubstring("10.244.3.0/24, which is approved for device leaving"))
	})
	g.Expect(enabled(coming)).To(BeEmpty())

	b.delete(t, leaving)
	b.until(t, coming, func(g Gomega) { g.Expect(enabled(coming)).To(Equal(route)) })
	b.delete(t, coming)
}

// What somebody approves later draws the pods' traffic away from a machine that has its route.
func TestARouteThatIsApprovedAfterTheMachinesIsToldOnIt(t *testing.T) {
	t.Parallel()
	for _, approval := range []infrav1.RouteApproval{infrav1.RouteApprovalProvider, infrav1.RouteApprovalPolicy} {
		t.Run(string(approval), func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := routedBench(t)
			helpers.Update(t, b.Environment, b.Tailnet, func(tn *infrav1.Tailnet) { tn.Spec.RouteApproval = approval })
			own := b.machine(t, "worker")
			b.untilProvisioned(t, own)
			route := prefixes("10.244.3.0/24")
			g.Expect(b.Control.Advertise(own.Status.Tailnet.DeviceID, route...)).To(Succeed())
			g.Expect(b.Control.Change(own.Status.Tailnet.DeviceID, func(d *tailnetsim.Device) { d.Enabled = route })).To(Succeed())
			b.Control.Add("office", func(d *tailnetsim.Device) { d.Enabled = prefixes("10.244.0.0/16", "10.244.4.0/24") })
			b.until(t, own, func(g Gomega) { g.Expect(helpers.ConditionsOf(own)).To(ContainElement("TailnetReady True Ready")) })

			late := b.Control.Add("connector", func(d *tailnetsim.Device) { d.Enabled = prefixes("10.244.3.128/25") })
			b.until(t, own, func(g Gomega) {
				g.Expect(helpers.ConditionsOf(own)).To(ContainElement("TailnetReady False PodRouteTaken"))
			})
			g.Expect(helpers.MessageOf(own, infrav1.TailnetReadyCondition)).To(And(
				ContainSubstring("Route 10.244.3.128/25, approved for device connector"), ContainSubstring("which is no node, takes what is sent to pods of this machine")))

			g.Expect(b.Control.Change(late.ID, func(d *tailnetsim.Device) { d.Enabled = nil })).To(Succeed())
			b.until(t, own, func(g Gomega) { g.Expect(helpers.ConditionsOf(own)).To(ContainElement("TailnetReady True Ready")) })
		})
	}
}

func TestTheVIPIsNobodysToTakeWhereThePolicyApproves(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	helpers.Update(t, b.Environment, b.Tailnet, func(tn *infrav1.Tailnet) { tn.Spec.RouteApproval = infrav1.RouteApprovalPolicy })
	own := b.machine(t, "first", controlPlane)
	b.untilProvisioned(t, own)
	router := b.Control.Add("router", func(d *tailnetsim.Device) { d.Enabled = prefixes(vip + "/32") })
	b.settle(t, own, 20)
	g.Expect(b.enabled(router.ID)).To(ConsistOf(prefixes(vip + "/32")))
	g.Expect(b.enabled(own.Status.Tailnet.DeviceID)).To(BeEmpty())
}

func TestOnlyTheVIPOfAControlPlaneIsApproved(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{})
	own := b.machine(t, "control-plane", controlPlane)

	b.untilProvisioned(t, own)

	// The device is recorded first, so that no other control plane takes the route from it.
	b.until(t, own, func(g Gomega) {
		devices := b.Control.Devices()
		g.Expect(devices).To(HaveLen(1))
		g.Expect(devices[0].Tags).To(ConsistOf(helpers.ControlPlaneTag))
		g.Expect(devices[0].Enabled).To(Equal([]netip.Prefix{netip.MustParsePrefix(vip + "/32")}), "it advertises another network as well")
	})

	b.delete(t, own)
	b.expectNothingLeft(t)
}

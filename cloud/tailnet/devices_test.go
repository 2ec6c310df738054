// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet_test

import (
	"net/netip"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

// join mints a key and registers a machine with it.
func join(t *testing.T, server *tailnetsim.Server, client *tailnet.Client, hostname string, tags ...string) tailnetsim.Device {
	t.Helper()
	g := NewWithT(t)
	key, err := client.CreateKey(t.Context(), tailnet.KeySpec{Tags: tags})
	g.Expect(err).NotTo(HaveOccurred())
	device, err := server.Register(key.Secret.Reveal(), hostname)
	g.Expect(err).NotTo(HaveOccurred())
	return device
}

func TestDeviceIsFoundByHostnameNewestLast(t *testing.T) {
	modes(t, func(t *testing.T, mode tailnetsim.Mode) {
		g := NewWithT(t)
		now := newClock()
		server := newServer(t, inMode(mode), func(o *tailnetsim.Options) { o.Clock = now.Now })
		client := newClient(t, server)
		join(t, server, client, "node-10", nodeTag)
		stale := join(t, server, client, "node-1", nodeTag)
		g.Expect(server.SetOnline(stale.ID, false)).To(Succeed())
		now.Advance(time.Minute)
		fresh := join(t, server, client, "node-1", nodeTag)

		list, err := client.RecentDevices(t.Context(), 0)

		g.Expect(err).NotTo(HaveOccurred())
		found := list.Of("", "", "node-1")
		g.Expect(found).To(HaveLen(2))
		g.Expect([]string{found[0].ID, found[1].ID}).To(Equal([]string{stale.ID, fresh.ID}))
		g.Expect(found[0].Online).To(BeFalse())
		g.Expect(found[0].LastSeen).NotTo(BeZero())
		g.Expect(found[1].Online).To(BeTrue())
		g.Expect(found[1].Name).To(HavePrefix("node-1-"))
		g.Expect(found[1].IPv4()).To(Equal(fresh.IPv4))
		g.Expect(found[1].IPv6()).To(Equal(fresh.IPv6))
		g.Expect(netip.MustParsePrefix("100.64.0.0/10").Contains(found[1].IPv4())).To(BeTrue())
		g.Expect(found[1].Tags).To(ConsistOf(nodeTag))
		g.Expect(list.Of("", "", "node-2")).To(BeEmpty())
		g.Expect(list.Of(stale.ID, "", "node-2")).To(HaveExactElements(HaveField("ID", stale.ID)), "whatever it calls itself")
		g.Expect(list.Of(stale.ID, "", "node-1")).To(HaveLen(2), "each once")
		g.Expect(list.All).To(HaveLen(3))
	})
}

func TestDeviceIsDeletedOnceAndForAll(t *testing.T) {
	modes(t, func(t *testing.T, mode tailnetsim.Mode) {
		g := NewWithT(t)
		server := newServer(t, inMode(mode))
		client := newClient(t, server)
		device := join(t, server, client, "node-1", nodeTag)

		g.Expect(client.DeleteDevice(t.Context(), ownership.Recorded(device.ID))).To(Succeed())
		g.Expect(client.DeleteDevice(t.Context(), ownership.Recorded(device.ID))).To(Succeed(), "a missing device is no error")

		_, err := client.Device(t.Context(), device.ID)
		g.Expect(tailnet.IsNotFound(err)).To(BeTrue())
		_, err = client.Routes(t.Context(), device.ID)
		g.Expect(tailnet.IsNotFound(err)).To(BeTrue())
		g.Expect(server.Leftovers()).To(Equal(tailnetsim.Leftovers{Devices: []tailnetsim.Device{}}))
	})
}

// Each of these would otherwise address something else: the list of devices, or another path.
func TestEmptyIdentifiersAreRefused(t *testing.T) {
	g := NewWithT(t)
	server := newServer(t)
	client := newClient(t, server)

	_, deviceErr := client.Device(t.Context(), "")
	_, routesErr := client.Routes(t.Context(), "")
	for _, err := range []error{deviceErr, routesErr, client.DeleteDevice(t.Context(), ownership.Proof{}), client.ApproveRoutes(t.Context(), ownership.Proof{}, prefix("10.0.0.0/8"))} {
		g.Expect(tailnet.ReasonOf(err)).To(Equal(tailnet.ReasonInvalidRequest))
	}
	g.Expect(server.Calls()).To(BeEmpty())
}

func TestApprovingARouteKeepsTheOthers(t *testing.T) {
	modes(t, func(t *testing.T, mode tailnetsim.Mode) {
		g := NewWithT(t)
		server := newServer(t, inMode(mode))
		client := newClient(t, server)
		device := join(t, server, client, "node-1", nodeTag)
		vip, pods := prefix("10.250.0.1/32"), prefix("10.244.3.0/24")
		g.Expect(server.Advertise(device.ID, vip)).To(Succeed())

		g.Expect(client.ApproveRoutes(t.Context(), ownership.Recorded(device.ID), vip)).To(Succeed())
		g.Expect(client.ApproveRoutes(t.Context(), ownership.Recorded(device.ID), pods)).To(Succeed(), "before it is advertised")
		g.Expect(client.ApproveRoutes(t.Context(), ownership.Recorded(device.ID), vip, pods)).To(Succeed())

		routes, err := client.Routes(t.Context(), device.ID)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(routes.Enabled).To(ConsistOf(vip, pods))
		g.Expect(routes.Serves(vip)).To(BeTrue())
		g.Expect(routes.Serves(pods)).To(BeFalse())
		g.Expect(server.CallCount(tailnetsim.OpSetRoutes)).To(Equal(2), "nothing is sent when nothing changes")
		got, err := client.Device(t.Context(), device.ID)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(got.Routes).To(Equal(routes))
	})
}

func TestDisabledRoutesServeNobody(t *testing.T) {
	modes(t, func(t *testing.T, mode tailnetsim.Mode) {
		g := NewWithT(t)
		server := newServer(t, inMode(mode))
		client := newClient(t, server)
		device := join(t, server, client, "node-1", nodeTag)
		vip := prefix("10.250.0.1/32")
		g.Expect(server.Advertise(device.ID, vip)).To(Succeed())
		g.Expect(client.ApproveRoutes(t.Context(), ownership.Recorded(device.ID), vip)).To(Succeed())

		g.Expect(client.DisableRoutes(t.Context(), ownership.Recorded(device.ID))).To(Succeed())
		g.Expect(client.DisableRoutes(t.Context(), ownership.Recorded(device.ID))).To(Succeed())

		routes, err := client.Routes(t.Context(), device.ID)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(routes.Serves(vip)).To(BeFalse())
		g.Expect(server.CallCount(tailnetsim.OpSetRoutes)).To(Equal(2), "nothing is sent when nothing changes")
		g.Expect(client.DeleteDevice(t.Context(), ownership.Recorded(device.ID))).To(Succeed())
		g.Expect(client.DisableRoutes(t.Context(), ownership.Recorded(device.ID))).To(Succeed(), "a device that is gone serves nobody")
	})
}

func TestPolicyApprovesTheControlPlanesRoute(t *testing.T) {
	g := NewWithT(t)
	server := newServer(t)
	client := newClient(t, server)
	vip := prefix("10.250.0.1/32")
	control := join(t, server, client, "cp-1", controlTag)
	worker := join(t, server, client, "worker-1", nodeTag)
	g.Expect(server.Advertise(control.ID, vip)).To(Succeed())
	g.Expect(server.Advertise(worker.ID, vip)).To(Succeed())

	devices, err := client.Devices(t.Context())

	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(devices[0].Routes.Serves(vip)).To(BeTrue())
	g.Expect(devices[1].Routes.Serves(vip)).To(BeFalse(), "any node could take the address over otherwise")
}

func TestOneRouteIsDisabledAndTheOthersStay(t *testing.T) {
	modes(t, func(t *testing.T, mode tailnetsim.Mode) {
		g := NewWithT(t)
		server := newServer(t, inMode(mode))
		client := newClient(t, server)
		vip, home := prefix("10.250.0.1/32"), prefix("192.168.1.0/24")
		router := server.Add("home", func(d *tailnetsim.Device) { d.Enabled = []netip.Prefix{home, vip} })
		proof := ownership.Recorded(router.ID)

		g.Expect(client.DisableRoute(t.Context(), proof, vip)).To(Succeed())
		g.Expect(client.DisableRoute(t.Context(), proof, vip)).To(Succeed())
		g.Expect(client.DisableRoute(t.Context(), ownership.Recorded("4711"), vip)).To(Succeed(), "a device that is gone serves nobody")

		routes, err := client.Routes(t.Context(), router.ID)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(routes.Enabled).To(ConsistOf(home))
		g.Expect(server.CallCount(tailnetsim.OpSetRoutes)).To(Equal(1), "nothing is sent when nothing changes")
		list, err := client.RecentDevices(t.Context(), 0)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(list.WithRoute(home)).To(HaveExactElements(HaveField("ID", router.ID)))
		g.Expect(list.WithRoute(vip)).To(BeEmpty())
	})
}

func TestNothingIsChangedWithoutAProof(t *testing.T) {
	g := NewWithT(t)
	server := newServer(t)
	client := newClient(t, server)
	for name, err := range map[string]error{
		"delete":      client.DeleteDevice(t.Context(), ownership.Proof{}),
		"revoke":      client.RevokeKey(t.Context(), ownership.Proof{}),
		"approve":     client.ApproveRoutes(t.Context(), ownership.Proof{}, prefix("10.250.0.1/32")),
		"disable all": client.DisableRoutes(t.Context(), ownership.Proof{}),
		"disable one": client.DisableRoute(t.Context(), ownership.Proof{}, prefix("10.250.0.1/32")),
	} {
		g.Expect(tailnet.ReasonOf(err)).To(Equal(tailnet.ReasonInvalidRequest), name)
	}
	g.Expect(server.Calls()).To(BeEmpty())
}

func TestADeviceTellsWhatKeepsItFromTalking(t *testing.T) {
	g := NewWithT(t)
	server := newServer(t)
	client := newClient(t, server)
	expires := time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)
	server.Add("waiting", func(d *tailnetsim.Device) { d.Authorized = false })
	server.Add("locked", func(d *tailnetsim.Device) { d.LockError = "node key is not signed" })
	server.Add("expiring", func(d *tailnetsim.Device) { d.Expires = expires })
	server.Add("phone", func(d *tailnetsim.Device) { d.External = true })
	server.Add("bare", func(d *tailnetsim.Device) { d.IPv4, d.IPv6 = netip.Addr{}, netip.Addr{} })
	join(t, server, client, "node", nodeTag)

	list, err := client.RecentDevices(t.Context(), 0)
	g.Expect(err).NotTo(HaveOccurred())
	named := func(hostname string) tailnet.Device {
		found := list.Of("", "", hostname)
		g.Expect(found).To(HaveLen(1), hostname)
		return found[0]
	}
	g.Expect(named("waiting").Authorized).To(BeFalse())
	g.Expect(named("locked").LockError).To(Equal("node key is not signed"))
	g.Expect(named("expiring").Expires).To(BeTemporally("==", expires))
	g.Expect(named("expiring").KeyExpiryDisabled).To(BeFalse())
	g.Expect(named("phone").External).To(BeTrue())
	g.Expect(named("phone").Created).To(BeZero(), "Tailscale names none")
	g.Expect(named("bare").IPv4().IsValid()).To(BeFalse())
	node := named("node")
	g.Expect(node.Authorized).To(BeTrue())
	g.Expect(node.LockError).To(BeEmpty())
	g.Expect(node.KeyExpiryDisabled).To(BeTrue())
	g.Expect(node.KeyID).To(BeEmpty(), "v2 does not tell")
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetnode

import (
	"context"
	"net/netip"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
)

// nobody is an API server without objects.
type nobody struct{ client.Reader }

func (nobody) List(context.Context, client.ObjectList, ...client.ListOption) error { return nil }

func TestADeviceWithoutAnIPv4AddressIsToldWithWhatToDo(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	claim := ownership.DeviceClaim{
		Hostname: "worker-1", Tags: []string{"tag:node"}, JoinTimeout: time.Hour,
		Key: ownership.JoinKey{ID: "7", Created: now, Expires: now.Add(time.Hour)},
	}
	recorded := claim
	recorded.Recorded = ownership.RecordedDevice{ID: "1", Created: now.Add(time.Minute)}
	statuses := Statuses{Client: nobody{}}
	both := []netip.Addr{netip.MustParseAddr("100.64.0.1"), netip.MustParseAddr("fd7a:115c:a1e0::1")}
	for name, world := range map[string]struct {
		claim  ownership.DeviceClaim
		change func(*tailnet.Device)
		told   bool
	}{
		"proven by its key":        {claim, func(d *tailnet.Device) { d.KeyID = "7" }, true},
		"recorded":                 {recorded, func(*tailnet.Device) {}, true},
		"known by its name":        {claim, func(*tailnet.Device) {}, true},
		"with no address at all":   {claim, func(d *tailnet.Device) { d.Addresses = nil }, true},
		"of another name":          {claim, func(d *tailnet.Device) { d.Hostname = "worker-2" }, false},
		"with other tags":          {claim, func(d *tailnet.Device) { d.Tags = []string{"tag:other"} }, false},
		"shared in":                {claim, func(d *tailnet.Device) { d.External = true }, false},
		"recorded, and it has one": {recorded, func(d *tailnet.Device) { d.Addresses = both }, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			device := tailnet.Device{
				ID: "1", Name: "worker-1", Hostname: "worker-1", Tags: claim.Tags, Created: now.Add(time.Minute),
				Authorized: true, KeyExpiryDisabled: true, Addresses: both[1:],
			}
			world.change(&device)
			list := tailnet.NewDeviceList(now, []tailnet.Device{device})

			found, err := statuses.Find(t.Context(), nil, list, Claimant{Object: &infrav1.OCIMeshMachine{}}, world.claim)

			g.Expect(err).NotTo(HaveOccurred())
			told := found.Finding
			if found.Device != nil {
				told = trouble(*found.Device, now)
			}

			if !world.told {
				g.Expect(told).To(BeNil())
				return
			}
			g.Expect(told).To(HaveValue(And(HaveField("Reason", infrav1.DeviceWithoutIPv4Reason),
				HaveField("Message", ContainSubstring("worker-1 has no IPv4 address in the tailnet")))))
		})
	}
}

func TestOneServerIsOneHoweverItsAddressIsWritten(t *testing.T) {
	of := func(apiURL, loginServer string) *infrav1.Tailnet {
		return &infrav1.Tailnet{Spec: infrav1.TailnetSpec{APIURL: apiURL, LoginServer: loginServer}}
	}
	for name, world := range map[string]struct {
		one, other string
		same       bool
	}{
		"capitals":                      {"https://hs.example", "https://HS.Example", true},
		"a capital scheme":              {"https://hs.example", "HTTPS://hs.example", true},
		"the port of https":             {"https://hs.example", "https://hs.example:443/", true},
		"the port of http":              {"http://hs.example", "http://hs.example:80", true},
		"an IPv6 address with the port": {"https://[fd00::443]", "https://[FD00::443]:443", true},
		"slashes":                       {"https://hs.example/x", "https://hs.example/x//", true},
		"Tailscale's default":           {"", "https://API.tailscale.com:443/", true},
		"another port":                  {"https://hs.example", "https://hs.example:8443", false},
		"the other one's port":          {"https://hs.example", "https://hs.example:80", false},
		"another scheme":                {"https://hs.example", "http://hs.example", false},
		"a path of other case":          {"https://hs.example/x", "https://hs.example/X", false},
		"another server":                {"", "https://hs.example", false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(SameServer(of(world.one, ""), of(world.other, ""))).To(Equal(world.same))
			g.Expect(SameServer(of(world.one, ""), of("", world.other))).To(Equal(world.same), "as a login server")
			g.Expect(SameServer(of("", world.one), of("", world.other))).To(Equal(world.same), "as login servers")
		})
	}
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet_test

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

func v1Modes(t *testing.T, run func(t *testing.T, mode tailnetsim.Mode)) {
	for _, mode := range headscaleV1 {
		t.Run(string(mode), func(t *testing.T) { run(t, mode) })
	}
}

func TestADeviceNamesTheKeyThatItJoinedWithEvenOnceThatHasEnded(t *testing.T) {
	v1Modes(t, func(t *testing.T, mode tailnetsim.Mode) {
		g := NewWithT(t)
		server := newServer(t, inMode(mode))
		client := newClient(t, server)
		key, err := client.CreateKey(t.Context(), tailnet.KeySpec{Tags: []string{nodeTag}})
		g.Expect(err).NotTo(HaveOccurred())
		_, err = server.Register(key.Secret.Reveal(), "calls-itself-anything")
		g.Expect(err).NotTo(HaveOccurred())

		g.Expect(client.RevokeKey(t.Context(), ownership.Recorded(key.ID))).To(Succeed())
		server.Restart()

		list, err := client.RecentDevices(t.Context(), 0)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(list.Of("", key.ID, "machine-1")).To(HaveExactElements(And(
			HaveField("KeyID", key.ID), HaveField("Authorized", true), HaveField("KeyExpiryDisabled", true))))
	})
}

// Another management cluster's key looks the same but for its identifier.
func TestAKeyWhoseAnswerWasLostIsLeftToItsHourAndNoOtherIsTouched(t *testing.T) {
	v1Modes(t, func(t *testing.T, mode tailnetsim.Mode) {
		g := NewWithT(t)
		server := newServer(t, inMode(mode))
		client := newClient(t, server)
		spec := tailnet.KeySpec{Tags: []string{nodeTag}, Description: "machine 7f3c"}
		other, err := client.CreateKey(t.Context(), spec)
		g.Expect(err).NotTo(HaveOccurred())
		server.Inject(tailnetsim.Fault{Operation: tailnetsim.OpCreateKey, LoseAnswer: true})

		_, err = client.CreateKey(t.Context(), spec)

		g.Expect(cloud.IsKind(err, cloud.Unavailable)).To(BeTrue())
		before := server.CallCount(tailnetsim.OpListKeys)
		g.Expect(client.KeysSince(t.Context(), spec.Description, time.Now())).To(BeEmpty())
		g.Expect(server.CallCount(tailnetsim.OpListKeys)).To(Equal(before), "there is nothing to be found")
		g.Expect(client.KeyIsLive(t.Context(), other.ID, time.Now())).To(BeTrue())
		keys, err := client.UsableKeys(t.Context(), 0)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(keys).To(HaveEach(HaveField("Expires", BeTemporally("~", time.Now().Add(time.Hour), time.Minute))))
	})
}

// The device has what others have approved for it: a home network, and a route with host bits,
// which the server stores as it came.
func TestApprovingARouteKeepsWhatOthersHaveApproved(t *testing.T) {
	v1Modes(t, func(t *testing.T, mode tailnetsim.Mode) {
		g := NewWithT(t)
		server := newServer(t, inMode(mode))
		client := newClient(t, server)
		home, odd, vip := prefix("192.168.1.0/24"), netip.MustParsePrefix("10.9.9.9/24"), prefix("10.250.0.1/32")
		device := server.Add("cp-1", func(d *tailnetsim.Device) { d.Enabled = []netip.Prefix{home, odd} })
		proof := ownership.Recorded(device.ID)
		enabled := func() []netip.Prefix {
			routes, err := client.Routes(t.Context(), device.ID)
			g.Expect(err).NotTo(HaveOccurred())
			return routes.Enabled
		}

		g.Expect(client.ApproveRoutes(t.Context(), proof, vip)).To(Succeed())
		g.Expect(enabled()).To(ConsistOf(home, odd, vip))
		g.Expect(client.DisableRoute(t.Context(), proof, vip)).To(Succeed())
		g.Expect(enabled()).To(ConsistOf(home, odd))
	})
}

// swapped is a server that becomes another one: an upgrade, or a step back.
type swapped struct {
	now atomic.Pointer[tailnetsim.Server]
}

func (s *swapped) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.now.Load().Handler().ServeHTTP(w, r)
}

func TestAnUpgradeOfTheServerNeedsNoRestart(t *testing.T) {
	for name, versions := range map[string][]tailnetsim.Mode{
		"0.28 to 0.29 to 0.30, and back": {
			tailnetsim.Headscale028, tailnetsim.Headscale029, tailnetsim.Headscale, tailnetsim.Headscale029, tailnetsim.Headscale028,
		},
		"from 0.30": {tailnetsim.Headscale, tailnetsim.Headscale028, tailnetsim.Headscale},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			var server swapped
			client, err := tailnet.New(tailnet.Config{APIURL: answering(t, server.ServeHTTP), APIKey: apiKey})
			g.Expect(err).NotTo(HaveOccurred())
			for _, mode := range versions {
				now := newServer(t, inMode(mode))
				server.now.Store(now)
				if mode == tailnetsim.Headscale {
					// The older API may still answer; a check takes the newer one.
					g.Expect(client.Check(t.Context(), fullCheck)).To(Succeed())
				}

				join(t, now, client, "node-1", nodeTag)
				devices, err := client.Devices(t.Context())
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(devices).To(HaveLen(1))
				g.Expect(devices[0].KeyID != "").To(Equal(speaksV1(mode)), "%s", mode)
				g.Expect(client.DeleteDevice(t.Context(), ownership.Recorded(devices[0].ID))).To(Succeed())
				g.Expect(now.Devices()).To(BeEmpty(), "%s", mode)
			}
		})
	}
}

// 0.28 answers a deletion by the API v2 with a page and 200, which looks like success.
func TestADeletionThatMeetsAPageIsNoSuccess(t *testing.T) {
	g := NewWithT(t)
	server := newServer(t, inMode(tailnetsim.Headscale028))
	device := server.Add("node-1", func(*tailnetsim.Device) {})

	g.Expect(newClient(t, server).DeleteDevice(t.Context(), ownership.Recorded(device.ID))).To(Succeed(), "the first call of this client")

	g.Expect(server.Devices()).To(BeEmpty())
}

func TestIdentifiersOfAnotherServerAreUnknown(t *testing.T) {
	v1Modes(t, func(t *testing.T, mode tailnetsim.Mode) {
		g := NewWithT(t)
		server := newServer(t, inMode(mode))
		client := newClient(t, server)
		g.Expect(client.Check(t.Context(), tailnet.CheckSpec{})).To(Succeed())
		for _, id := range []string{"nAbc1CNTRL", "1/expire", "-1", "4711"} {
			_, err := client.Device(t.Context(), id)
			g.Expect(tailnet.IsNotFound(err)).To(BeTrue(), "%s: %v", id, err)
			g.Expect(tailnet.IsNotFound(client.ApproveRoutes(t.Context(), ownership.Recorded(id), prefix("10.250.0.1/32")))).To(BeTrue())
			g.Expect(client.DeleteDevice(t.Context(), ownership.Recorded(id))).To(Succeed())
			g.Expect(client.RevokeKey(t.Context(), ownership.Recorded(id))).To(Succeed())
		}
	})
}

// answersV1 is a Headscale without the API v2 that answers one path of v1 so, or one method of it.
func answersV1(t *testing.T, path string, status int, kind, body string) string {
	t.Helper()
	return answering(t, func(w http.ResponseWriter, r *http.Request) {
		answer := func(status int, kind, body string) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			_, _ = fmt.Fprint(w, body)
		}
		switch {
		case strings.HasPrefix(r.URL.Path, path), strings.HasPrefix(r.Method+" "+r.URL.Path, path):
			answer(status, kind, body)
		case r.URL.Path == "/health":
			answer(http.StatusOK, "application/json", `{"status":"pass"}`)
		case r.URL.Path == "/api/v1/preauthkey" && r.Method == http.MethodGet:
			answer(http.StatusOK, "application/json", `{"preAuthKeys":[]}`)
		case r.URL.Path == "/api/v1/node":
			answer(http.StatusOK, "application/json", `{"nodes":[]}`)
		default:
			answer(http.StatusNotFound, "text/plain; charset=utf-8", "404 page not found\n")
		}
	})
}

func TestWhatHeadscaleRefusesIsToldApart(t *testing.T) {
	const (
		jsonKind = "application/json"
		problem  = "application/problem+json"
		text     = "text/plain; charset=utf-8"
	)
	device := func(ctx context.Context, c *tailnet.Client) error { _, err := c.Device(ctx, "7"); return err }
	create := func(ctx context.Context, c *tailnet.Client) error {
		_, err := c.CreateKey(ctx, tailnet.KeySpec{Tags: []string{nodeTag}})
		return err
	}
	devices := func(ctx context.Context, c *tailnet.Client) error { _, err := c.Devices(ctx); return err }
	approve := func(ctx context.Context, c *tailnet.Client) error {
		return c.ApproveRoutes(ctx, ownership.Recorded("7"), prefix("10.250.0.1/32"))
	}
	for name, test := range map[string]struct {
		path       string
		status     int
		kind, body string
		do         func(context.Context, *tailnet.Client) error
		reason     tailnet.Reason
	}{
		"an unknown node":                {"/api/v1/node/7", 404, jsonKind, `{"code":5,"message":"node not found","details":[]}`, device, tailnet.ReasonNotFound},
		"an unknown node, older":         {"/api/v1/node/7", 500, jsonKind, `{"code":5,"message":"node not found","details":[]}`, device, tailnet.ReasonNotFound},
		"an unknown node, newer":         {"/api/v1/node/7", 404, problem, `{"title":"Not Found","status":404,"detail":"node not found"}`, device, tailnet.ReasonNotFound},
		"a node that has just gone":      {"/api/v1/node/7", 400, jsonKind, `{"code":3,"message":"node no longer exists in NodeStore: 7","details":[]}`, approve, tailnet.ReasonNotFound},
		"a refused key":                  {"/api/v1", 401, text, "Unauthorized", devices, tailnet.ReasonCredentialsRefused},
		"a proxy's refusal":              {"/api/v1", 401, "text/html", "<html>Unauthorized</html>", devices, tailnet.ReasonNotControlServer},
		"a login page":                   {"/api/v1", 200, "text/html", "<html>Sign in</html>", devices, tailnet.ReasonNotControlServer},
		"a login page later on":          {"/api/v1/node/7", 200, "text/html", "<html>Sign in</html>", device, tailnet.ReasonNotControlServer},
		"JSON of something else":         {"/api/v1/node/7", 200, jsonKind, `{"hello":"world"}`, device, tailnet.ReasonNotControlServer},
		"a list where an object is due":  {"/api/v1/node/7", 200, jsonKind, `[]`, device, tailnet.ReasonNotControlServer},
		"a failure":                      {"/api/v1/node/7", 500, jsonKind, `{"code":2,"message":"database is locked","details":[]}`, device, tailnet.ReasonServerError},
		"a failure, newer":               {"/api/v1/node/7", 500, problem, `{"title":"Internal Server Error","status":500,"detail":"database"}`, device, tailnet.ReasonServerError},
		"a tag of no tag's form":         {"POST /api/v1/preauthkey", 400, jsonKind, `{"code":3,"message":"tag must start with the string 'tag:'","details":[]}`, create, tailnet.ReasonInvalidRequest},
		"a key only for users":           {"POST /api/v1/preauthkey", 500, jsonKind, `{"code":2,"message":"user not found","details":[]}`, create, tailnet.ReasonTooOld},
		"nodes of before tags":           {"/api/v1/node", 200, jsonKind, `{"nodes":[{"id":"1","forcedTags":[],"validTags":[],"name":"a"}]}`, devices, tailnet.ReasonTooOld},
		"a code that is no code of gRPC": {"/api/v1/node/7", 404, jsonKind, `{"code":404,"message":"no route"}`, device, tailnet.ReasonNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			client, err := tailnet.New(tailnet.Config{APIURL: answersV1(t, test.path, test.status, test.kind, test.body), APIKey: apiKey})
			g.Expect(err).NotTo(HaveOccurred())

			err = test.do(t.Context(), client)

			g.Expect(tailnet.ReasonOf(err)).To(Equal(test.reason), "%v", err)
			g.Expect(err.Error()).NotTo(ContainSubstring(apiKey))
			if strings.Contains(test.body, "Sign in") {
				g.Expect(err).To(MatchError(Or(ContainSubstring("web page"), ContainSubstring("proxy"))))
			}
		})
	}
}

// The wire has 64-bit numbers as strings, and null or nothing for what there is not.
func TestANodeIsReadWhateverIsLeftOut(t *testing.T) {
	for name, body := range map[string]string{
		"null": `{"nodes":[{"id":"9007199254740993","user":null,"preAuthKey":null,"expiry":null,"lastSeen":null,"tags":null,"ipAddresses":["100.64.0.1"],"name":"a","givenName":"a-1"}]}`,
		"the zeros of Go and of protobuf": `{"nodes":[{"id":"9007199254740993","expiry":"0001-01-01T00:00:00Z","createdAt":"1970-01-01T00:00:00Z","lastSeen":"1970-01-01T00:00:00Z",` +
			`"ipAddresses":["100.64.0.1"],"name":"a","givenName":"a-1"}]}`,
		"nothing": `{"nodes":[{"id":9007199254740993,"ipAddresses":["100.64.0.1"],"name":"a","givenName":"a-1"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			client, err := tailnet.New(tailnet.Config{APIURL: answersV1(t, "/api/v1/node", 200, "application/json", body), APIKey: apiKey})
			g.Expect(err).NotTo(HaveOccurred())

			g.Expect(client.Devices(t.Context())).To(HaveExactElements(Equal(tailnet.Device{
				ID: "9007199254740993", Hostname: "a", Name: "a-1", Addresses: []netip.Addr{netip.MustParseAddr("100.64.0.1")},
				Authorized: true, KeyExpiryDisabled: true,
			})))
		})
	}
}

// A check's key has been nobody's; the server would keep it for ever once it has expired.
func TestACheckLeavesNoRowsBehind(t *testing.T) {
	v1Modes(t, func(t *testing.T, mode tailnetsim.Mode) {
		g := NewWithT(t)
		server := newServer(t, inMode(mode))
		client := newClient(t, server)

		g.Expect(client.Check(t.Context(), fullCheck)).To(Succeed())

		g.Expect(client.Keys(t.Context())).To(BeEmpty())
	})
}

func TestAProxyThatPassesNeitherAPIOnIsNamed(t *testing.T) {
	g := NewWithT(t)
	client, err := tailnet.New(tailnet.Config{APIURL: newServer(t, inMode(tailnetsim.HeadscaleOld)).URL(), APIKey: apiKey})
	g.Expect(err).NotTo(HaveOccurred())

	err = client.Check(t.Context(), fullCheck)

	g.Expect(tailnet.ReasonOf(err)).To(Equal(tailnet.ReasonNotControlServer))
	g.Expect(err).To(MatchError(And(ContainSubstring("Headscale v0.29.2"), ContainSubstring("proxy"))))
}

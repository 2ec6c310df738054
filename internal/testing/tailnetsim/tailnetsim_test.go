// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetsim_test

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

const (
	apiKey     = "an-api-key"
	nodeTag    = "tag:node"
	controlTag = "tag:control"
)

var vip = netip.MustParsePrefix("10.250.0.1/32")

type world struct {
	*tailnetsim.Server
	t   *testing.T
	now time.Time
	// firstKey is the secret of the first key that repeat made.
	firstKey string
}

func newWorld(t *testing.T, opts tailnetsim.Options) *world {
	t.Helper()
	w := &world{t: t, now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	opts.APIKeys, opts.Clock = []string{apiKey}, func() time.Time { return w.now }
	opts.TagOwners = map[string][]string{nodeTag: {"autogroup:admin"}, controlTag: {nodeTag}}
	opts.AutoApprovers = map[string][]string{"10.250.0.0/16": {controlTag}}
	g := NewWithT(t)
	var err error
	w.Server, err = tailnetsim.New(opts)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(w.Start()).To(Succeed())
	t.Cleanup(w.Close)
	return w
}

// send makes a request with a bearer token and returns the status and the decoded body, nil if it
// is not JSON.
func (w *world) send(token, method, path, body string) (int, map[string]any) {
	w.t.Helper()
	g := NewWithT(w.t)
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.URL()+path, strings.NewReader(body))
	g.Expect(err).NotTo(HaveOccurred())
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = res.Body.Close() }()
	var out map[string]any
	if json.NewDecoder(res.Body).Decode(&out) != nil {
		return res.StatusCode, nil
	}
	return res.StatusCode, out
}

// token sends a token request with the form and returns the status and the body.
func (w *world) token(form url.Values) (int, map[string]any) {
	w.t.Helper()
	g := NewWithT(w.t)
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.URL()+"/api/v2/oauth/token", strings.NewReader(form.Encode()))
	g.Expect(err).NotTo(HaveOccurred())
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultClient.Do(req)
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = res.Body.Close() }()
	var out map[string]any
	g.Expect(json.NewDecoder(res.Body).Decode(&out)).To(Succeed())
	return res.StatusCode, out
}

// mint creates a key and returns its identifier and secret.
func (w *world) mint(create string) (id, secret string) {
	w.t.Helper()
	status, body := w.send(apiKey, http.MethodPost, "/api/v2/tailnet/-/keys", `{"capabilities":{"devices":{"create":`+create+`}},"expirySeconds":3600}`)
	NewWithT(w.t).Expect(status).To(Equal(http.StatusOK), "%v", body)
	return body["id"].(string), body["key"].(string)
}

func (w *world) join(hostname, tag string) tailnetsim.Device {
	w.t.Helper()
	_, secret := w.mint(`{"preauthorized":true,"tags":["` + tag + `"]}`)
	device, err := w.Register(secret, hostname)
	NewWithT(w.t).Expect(err).NotTo(HaveOccurred())
	return device
}

func TestMachinesAreRefusedAsTailscaledReportsIt(t *testing.T) {
	const single = `{"preauthorized":true,"tags":["tag:node"]}`
	use := func(w *world, _, secret string) { _, _ = w.Register(secret, "first") }
	expire := func(w *world, _, _ string) { w.now = w.now.Add(time.Hour) }
	revoke := func(w *world, id, _ string) { w.send(apiKey, http.MethodDelete, "/api/v2/tailnet/-/keys/"+id, "") }
	for name, test := range map[string]struct {
		spoil     func(w *world, id, secret string)
		tailscale string
		headscale string
	}{
		"used":    {use, "not valid", "authkey already used"},
		"expired": {expire, "API key does not exist", "authkey expired"},
		"revoked": {revoke, "API key does not exist", "authkey revoked"},
	} {
		for mode, message := range map[tailnetsim.Mode]string{tailnetsim.Tailscale: test.tailscale, tailnetsim.Headscale: test.headscale} {
			t.Run(name+" at "+string(mode), func(t *testing.T) {
				g := NewWithT(t)
				w := newWorld(t, tailnetsim.Options{Mode: mode})
				id, secret := w.mint(single)
				test.spoil(w, id, secret)

				_, err := w.Register(secret, "late")

				g.Expect(err).To(MatchError(ContainSubstring(message)))
				g.Expect(err.Error()).NotTo(ContainSubstring(secret))
				g.Expect(w.Leftovers().Keys).To(BeEmpty())
			})
		}
	}
}

func TestReusableKeysLetSeveralMachinesJoin(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, tailnetsim.Options{})
	_, secret := w.mint(`{"reusable":true,"preauthorized":false,"tags":["tag:node"]}`)

	first, err := w.Register(secret, "host")
	g.Expect(err).NotTo(HaveOccurred())
	second, err := w.Register(secret, "host")
	g.Expect(err).NotTo(HaveOccurred())

	g.Expect(first.Name).To(Equal("host.tail51ab.ts.net"))
	g.Expect(second.Name).To(Equal("host-1.tail51ab.ts.net"))
	g.Expect(second.IPv4).NotTo(Equal(first.IPv4))
	g.Expect(first.Authorized).To(BeFalse(), "an administrator has to approve it")
}

func TestPrimaryRouter(t *testing.T) {
	for _, test := range []struct {
		mode tailnetsim.Mode
		back string
	}{
		{tailnetsim.Tailscale, "cp-1"},
		{tailnetsim.Headscale, "cp-2"},
	} {
		t.Run(string(test.mode), func(t *testing.T) {
			g := NewWithT(t)
			w := newWorld(t, tailnetsim.Options{Mode: test.mode})
			primary := func() string {
				router, _ := w.PrimaryRouter(vip)
				return router.Hostname
			}
			g.Expect(primary()).To(BeEmpty())
			worker := w.join("worker", nodeTag)
			first, second := w.join("cp-1", controlTag), w.join("cp-2", controlTag)
			for _, device := range []tailnetsim.Device{worker, first, second} {
				g.Expect(w.Advertise(device.ID, vip)).To(Succeed())
			}
			g.Expect(primary()).To(Equal("cp-1"), "the worker's route is not approved")

			g.Expect(w.SetOnline(first.ID, false)).To(Succeed())
			g.Expect(w.SetOnline(first.ID, true)).To(Succeed())
			g.Expect(primary()).To(Equal(test.back), "after cp-1 went away and came back")

			g.Expect(w.Advertise(second.ID)).To(Succeed())
			g.Expect(primary()).To(Equal("cp-1"))
			g.Expect(w.Logout(first.ID)).To(Succeed())
			g.Expect(primary()).To(BeEmpty())
			g.Expect(w.SetOnline(first.ID, true)).NotTo(Succeed())
		})
	}
}

func TestTokensAreRefusedAsEachServerDoes(t *testing.T) {
	scopes := []string{"auth_keys", "devices:core"}
	for mode, want := range map[tailnetsim.Mode]struct {
		client, scope   int
		clientF, scopeF string
	}{
		tailnetsim.Tailscale: {401, 403, "message", "message"},
		tailnetsim.Headscale: {401, 400, "error", "error"},
	} {
		t.Run(string(mode), func(t *testing.T) {
			g := NewWithT(t)
			w := newWorld(t, tailnetsim.Options{Mode: mode})
			client := w.AddClient(scopes, []string{nodeTag})

			status, body := w.token(url.Values{"client_id": {client.ID}, "client_secret": {"wrong"}})
			g.Expect(status).To(Equal(want.client))
			g.Expect(body).To(HaveKey(want.clientF))
			status, body = w.token(url.Values{"client_id": {client.ID}, "client_secret": {client.Secret}, "scope": {"all"}})
			g.Expect(status).To(Equal(want.scope))
			g.Expect(body).To(HaveKey(want.scopeF))

			status, body = w.token(url.Values{"client_id": {client.ID}, "client_secret": {client.Secret}})
			g.Expect(status).To(Equal(http.StatusOK))
			g.Expect(body).To(HaveKeyWithValue("scope", "auth_keys devices:core"))
			token := body["access_token"].(string)
			for path, status := range map[string]int{"/api/v2/tailnet/-/devices": 200, "/api/v2/tailnet/-/keys": 200, "/api/v2/device/1/routes": 403} {
				got, _ := w.send(token, http.MethodGet, path, "")
				g.Expect(got).To(Equal(status), path)
			}
			w.now = w.now.Add(time.Hour)
			got, _ := w.send(token, http.MethodGet, "/api/v2/tailnet/-/devices", "")
			g.Expect(got).To(Equal(http.StatusUnauthorized), "after an hour")
		})
	}
}

func TestKeysOfClientsMustCarryTags(t *testing.T) {
	for mode, want := range map[tailnetsim.Mode]int{tailnetsim.Tailscale: 400, tailnetsim.Headscale: 403} {
		t.Run(string(mode), func(t *testing.T) {
			g := NewWithT(t)
			w := newWorld(t, tailnetsim.Options{Mode: mode})
			client := w.AddClient([]string{"auth_keys"}, []string{nodeTag})
			_, body := w.token(url.Values{"client_secret": {client.Secret}})
			token := body["access_token"].(string)

			status, _ := w.send(token, http.MethodPost, "/api/v2/tailnet/-/keys", `{"capabilities":{"devices":{"create":{"tags":null}}}}`)

			g.Expect(status).To(Equal(want))
			g.Expect(w.Keys()).To(BeEmpty())
		})
	}
}

func TestListFiltersAreTailscalesOnly(t *testing.T) {
	for mode, want := range map[tailnetsim.Mode]int{tailnetsim.Tailscale: 1, tailnetsim.Headscale: 2} {
		t.Run(string(mode), func(t *testing.T) {
			g := NewWithT(t)
			w := newWorld(t, tailnetsim.Options{Mode: mode})
			w.join("a", nodeTag)
			w.join("b", controlTag)

			for _, filter := range []string{"hostname=a", "tags=" + controlTag} {
				_, body := w.send(apiKey, http.MethodGet, "/api/v2/tailnet/-/devices?"+filter, "")
				g.Expect(body["devices"]).To(HaveLen(want), filter)
			}
		})
	}
}

func TestDeviceSettings(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, tailnetsim.Options{})
	device, other := w.join("a", nodeTag), w.join("b", nodeTag)
	path := "/api/v2/device/" + device.LegacyID + "/"

	for _, step := range []struct {
		verb, body string
		status     int
	}{
		{"tags", `{"tags":["tag:control"]}`, 200},
		{"tags", `{"tags":["tag:unknown"]}`, 400},
		{"name", `{"name":"renamed"}`, 200},
		{"name", `{"name":"` + other.Name + `"}`, 400},
		{"authorized", `{"authorized":false}`, 200},
		{"key", `{"keyExpiryDisabled":false}`, 200},
		{"routes", `{"routes":["10.0.0.1/8"]}`, 400},
		{"routes", `{"routes":["10.0.0.0/8"]}`, 200},
		{"routes", `no JSON`, 400},
	} {
		status, body := w.send(apiKey, http.MethodPost, path+step.verb, step.body)
		g.Expect(status).To(Equal(step.status), "%s %s: %v", step.verb, step.body, body)
	}

	got := w.Devices()[0]
	g.Expect(got.Tags).To(ConsistOf(controlTag))
	g.Expect(got.Name).To(HavePrefix("renamed."))
	g.Expect(got.Authorized).To(BeFalse())
	g.Expect(got.KeyExpiryDisabled).To(BeFalse())
	g.Expect(got.Enabled).To(ConsistOf(netip.MustParsePrefix("10.0.0.0/8")))
}

func TestOldHeadscaleHasNoV2API(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, tailnetsim.Options{Mode: tailnetsim.HeadscaleOld})

	_, version := w.send("", http.MethodGet, "/version", "")
	g.Expect(version).To(HaveKeyWithValue("version", "v0.29.2"))
	status, body := w.send(apiKey, http.MethodGet, "/api/v2/tailnet/-/devices", "")
	g.Expect(status).To(Equal(http.StatusNotFound))
	g.Expect(body).To(BeNil(), "in plain text")
	status, body = w.send("unknown", http.MethodGet, "/api/v2/tailnet/-/devices", "")
	g.Expect(status).To(Equal(http.StatusUnauthorized))
	g.Expect(body).To(BeNil())
}

func TestFaultsHitTheirOperationAsOftenAsAsked(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, tailnetsim.Options{})
	w.Inject(tailnetsim.Fault{Operation: tailnetsim.OpListKeys, Status: 503, Times: 2})

	var got []int
	for _, path := range []string{"devices", "keys", "keys", "keys"} {
		status, _ := w.send(apiKey, http.MethodGet, "/api/v2/tailnet/-/"+path, "")
		got = append(got, status)
	}

	g.Expect(got).To(Equal([]int{200, 503, 503, 200}))
	g.Expect(w.CallCount(tailnetsim.OpListKeys)).To(Equal(3))
	w.Inject(tailnetsim.Fault{Status: 500})
	w.ClearFaults()
	w.ResetCalls()
	status, _ := w.send(apiKey, http.MethodGet, "/api/v2/tailnet/-/keys", "")
	g.Expect(status).To(Equal(200))
	g.Expect(w.Calls()).To(HaveLen(1))
}

func TestControlSideWorksFromAnotherProcess(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, tailnetsim.Options{})
	remote := tailnetsim.NewRemote(w.URL() + "/")
	ctx := t.Context()
	_, secret := w.mint(`{"preauthorized":true,"tags":["tag:control"]}`)
	g.Expect(remote.SetUnreachable(ctx, true)).To(Succeed(), "the control side stays reachable")

	device, err := remote.Register(ctx, secret, "cp-1")
	g.Expect(err).NotTo(HaveOccurred())
	_, err = remote.Register(ctx, secret, "cp-2")
	g.Expect(err).To(MatchError(ContainSubstring("not valid")))
	g.Expect(err).To(BeAssignableToTypeOf(&tailnetsim.RegisterError{}))
	g.Expect(remote.Advertise(ctx, device.ID, vip)).To(Succeed())
	g.Expect(remote.PrimaryRouter(ctx, vip)).To(HaveField("ID", device.ID))
	g.Expect(remote.SetOnline(ctx, device.ID, false)).To(Succeed())
	_, err = remote.PrimaryRouter(ctx, vip)
	g.Expect(err).To(MatchError(tailnetsim.ErrNoDevice))
	g.Expect(remote.SetOnline(ctx, "nobody", true)).To(MatchError(tailnetsim.ErrNoDevice))
	g.Expect(remote.Logout(ctx, device.ID)).To(Succeed())
	g.Expect(remote.Devices(ctx)).To(ConsistOf(HaveField("LoggedOut", true)))
	g.Expect(remote.Leftovers(ctx)).To(HaveField("Devices", HaveLen(1)))
	g.Expect(remote.Inject(ctx, tailnetsim.Fault{Status: 500})).To(Succeed())
	g.Expect(remote.Calls(ctx)).To(HaveLen(1))
}

func TestEphemeralDeviceGoesWhenItLogsOut(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, tailnetsim.Options{})
	_, secret := w.mint(`{"ephemeral":true,"preauthorized":true,"tags":["tag:node"]}`)
	device, err := w.Register(secret, "short")
	g.Expect(err).NotTo(HaveOccurred())

	g.Expect(w.Logout(device.ID)).To(Succeed())

	g.Expect(w.Devices()).To(BeEmpty())
}

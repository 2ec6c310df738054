// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet_test

import (
	"context"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

var fullCheck = tailnet.CheckSpec{TagSets: [][]string{{nodeTag}, {nodeTag, controlTag}}, ApproveRoutes: true}

func TestCheckPassesAndLeavesNothingBehind(t *testing.T) {
	modes(t, func(t *testing.T, mode tailnetsim.Mode) {
		g := NewWithT(t)
		server := newServer(t, inMode(mode))

		g.Expect(newClient(t, server).Check(t.Context(), fullCheck)).To(Succeed())

		g.Expect(server.CallCount(tailnetsim.OpCreateKey)).To(Equal(2))
		g.Expect(server.Leftovers().Keys).To(BeEmpty())
	})
}

func TestCheckTellsWhatIsWrongWithTheCredentials(t *testing.T) {
	good := []string{"auth_keys", "devices:core", "devices:routes"}
	tests := map[string]struct {
		scopes []string
		change func(*tailnet.OAuth)
		reason tailnet.Reason
		kind   cloud.Kind
	}{
		"all needed scopes":         {scopes: good},
		"one scope for everything":  {scopes: []string{"all"}},
		"scope of older clients":    {scopes: []string{"devices"}},
		"wrong secret":              {scopes: good, change: func(o *tailnet.OAuth) { o.ClientSecret += "x" }, reason: tailnet.ReasonCredentialsRefused, kind: cloud.Unauthenticated},
		"no scope for keys":         {scopes: good[1:], reason: tailnet.ReasonMissingScope, kind: cloud.Forbidden},
		"no scope for devices":      {scopes: []string{"auth_keys", "devices:routes"}, reason: tailnet.ReasonMissingScope, kind: cloud.Forbidden},
		"no scope for routes":       {scopes: good[:2], reason: tailnet.ReasonMissingScope, kind: cloud.Forbidden},
		"asks for more than it has": {scopes: good, change: func(o *tailnet.OAuth) { o.Scopes = []string{"all"} }, reason: tailnet.ReasonMissingScope, kind: cloud.Forbidden},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			v2Modes(t, func(t *testing.T, mode tailnetsim.Mode) {
				g := NewWithT(t)
				server := newServer(t, inMode(mode))
				client := newClient(t, server, asClient(server.AddClient(test.scopes, []string{nodeTag})), func(c *tailnet.Config) {
					if test.change != nil {
						test.change(c.OAuth)
					}
				})

				err := client.Check(t.Context(), tailnet.CheckSpec{TagSets: [][]string{{nodeTag}}, ApproveRoutes: true})

				g.Expect(tailnet.ReasonOf(err)).To(Equal(test.reason), "%v", err)
				g.Expect(cloud.KindOf(err)).To(Equal(test.kind))
				g.Expect(server.Leftovers().Keys).To(BeEmpty())
			})
		})
	}
}

func TestUnknownAPIKeyIsRefused(t *testing.T) {
	modes(t, func(t *testing.T, mode tailnetsim.Mode) {
		g := NewWithT(t)
		server := newServer(t, inMode(mode))
		client := newClient(t, server)
		server.RevokeAPIKey(apiKey)

		err := client.Check(t.Context(), fullCheck)

		g.Expect(tailnet.ReasonOf(err)).To(Equal(tailnet.ReasonCredentialsRefused))
	})
}

func TestHeadscaleThatIsTooOldIsNamed(t *testing.T) {
	oauth := func(c *tailnet.Config) {
		c.APIKey, c.OAuth = "", &tailnet.OAuth{ClientID: "id", ClientSecret: "hskey-client-id-secret"}
	}
	for name, test := range map[string]struct {
		mode          tailnetsim.Mode
		version       string
		change        func(*tailnet.Config)
		named, remedy string
	}{
		"users own all keys":               {mode: tailnetsim.Headscale026, named: "unknown version", remedy: "0.28"},
		"users own all keys, with version": {mode: tailnetsim.Headscale026, version: "v0.27.1", named: "v0.27.1", remedy: "0.28"},
		"0.29 for an OAuth client":         {mode: tailnetsim.Headscale029, change: oauth, named: "v0.29.2", remedy: "APIKey"},
		"0.28 for an OAuth client":         {mode: tailnetsim.Headscale028, change: oauth, named: "v0.28.0", remedy: "0.30"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			server := newServer(t, inMode(test.mode), func(o *tailnetsim.Options) { o.Version = test.version })
			client := newClient(t, server, func(c *tailnet.Config) {
				if test.change != nil {
					test.change(c)
				}
			})

			_, mintErr := client.CreateKey(t.Context(), tailnet.KeySpec{Tags: []string{nodeTag}})
			for _, err := range []error{client.Check(t.Context(), fullCheck), mintErr, client.DeleteDevice(t.Context(), ownership.Recorded("7"))} {
				var tooOld *tailnet.TooOldError
				g.Expect(errors.As(err, &tooOld)).To(BeTrue(), "%v", err)
				g.Expect(tailnet.ReasonOf(err)).To(Equal(tailnet.ReasonTooOld))
				g.Expect(cloud.UserMessage(err)).To(And(ContainSubstring(test.named), ContainSubstring(test.remedy)))
			}
		})
	}
}

// A build of the main branch says "dev", or v0.0.0 with a date: what answers counts.
func TestTheVersionIsNotWhatCounts(t *testing.T) {
	modes(t, func(t *testing.T, mode tailnetsim.Mode) {
		for _, version := range []string{"v0.30.0", "v0.29.3-0.20260721112835-0123456789ab+dirty", "v0.0.0-20260721112835-0123456789ab", "v0.20.0", "dev", "none"} {
			t.Run(version, func(t *testing.T) {
				g := NewWithT(t)
				server := newServer(t, inMode(mode), func(o *tailnetsim.Options) { o.Version = version })

				g.Expect(newClient(t, server).Check(t.Context(), fullCheck)).To(Succeed())
				g.Expect(server.CallCount(tailnetsim.OpVersion)).To(BeZero())
			})
		}
	})
}

func TestUnreachableServerIsToldApartAndHeals(t *testing.T) {
	g := NewWithT(t)
	server := newServer(t)
	client := newClient(t, server)
	server.SetUnreachable(true)

	err := client.Check(t.Context(), fullCheck)
	g.Expect(tailnet.ReasonOf(err)).To(Equal(tailnet.ReasonUnreachable))
	g.Expect(cloud.IsKind(err, cloud.Unavailable)).To(BeTrue())

	server.SetUnreachable(false)
	g.Expect(client.Check(t.Context(), fullCheck)).To(Succeed())
}

// The client library fetches tokens without the caller's timeout.
func TestTimeoutAlsoBoundsTheAccessToken(t *testing.T) {
	for name, operation := range map[string]string{"token": tailnetsim.OpToken, "request": tailnetsim.OpListDevices} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			server := newServer(t)
			client := newClient(t, server, asClient(server.AddClient(allScopes, []string{nodeTag})), func(c *tailnet.Config) { c.Timeout = 50 * time.Millisecond })
			server.Inject(tailnetsim.Fault{Operation: operation, Delay: time.Hour})

			_, err := client.Devices(t.Context())

			g.Expect(tailnet.ReasonOf(err)).To(Equal(tailnet.ReasonUnreachable))
			g.Expect(errors.Is(err, context.DeadlineExceeded)).To(BeTrue())
		})
	}
}

func TestCancelledContextEndsTheFetchOfAToken(t *testing.T) {
	g := NewWithT(t)
	server := newServer(t)
	client := newClient(t, server, asClient(server.AddClient(allScopes, []string{nodeTag})))
	server.Inject(tailnetsim.Fault{Operation: tailnetsim.OpToken, Delay: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)

	_, err := client.Devices(ctx)

	g.Expect(errors.Is(err, context.Canceled)).To(BeTrue())
}

// A Headscale behind a private CA: the access token must be fetched with the same trust as
// everything else.
func TestCABundleIsUsedForTheAccessTokenToo(t *testing.T) {
	g := NewWithT(t)
	server := newServer(t)
	proxy := httptest.NewTLSServer(forwardTo(server.URL()))
	t.Cleanup(proxy.Close)
	bundle := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: proxy.Certificate().Raw})
	oauth := asClient(server.AddClient(allScopes, []string{nodeTag}))

	trusting := newClient(t, server, oauth, func(c *tailnet.Config) { c.APIURL, c.CABundle = proxy.URL, bundle })
	g.Expect(trusting.Devices(t.Context())).To(BeEmpty())

	_, err := newClient(t, server, oauth, func(c *tailnet.Config) { c.APIURL = proxy.URL }).Devices(t.Context())
	g.Expect(tailnet.ReasonOf(err)).To(Equal(tailnet.ReasonUnreachable))
	g.Expect(err.Error()).To(ContainSubstring("certificate"))
}

func TestAnswersThatAreNotTheAPIs(t *testing.T) {
	for name, test := range map[string]struct {
		fault  tailnetsim.Fault
		reason tailnet.Reason
		kind   cloud.Kind
	}{
		"a proxy's not found page": {tailnetsim.Fault{Status: 404, Body: "<html>"}, tailnet.ReasonNotControlServer, cloud.Unavailable},
		"a proxy's login page":     {tailnetsim.Fault{Status: 401, Body: "<html>"}, tailnet.ReasonNotControlServer, cloud.Unavailable},
		"a bad gateway":            {tailnetsim.Fault{Status: 502, Body: "<html>"}, tailnet.ReasonServerError, cloud.Unavailable},
		"an internal error":        {tailnetsim.Fault{Status: 500}, tailnet.ReasonServerError, cloud.Unavailable},
		"a conflict":               {tailnetsim.Fault{Status: 409}, tailnet.ReasonConflict, cloud.Conflict},
		"a refusal":                {tailnetsim.Fault{Status: 400}, tailnet.ReasonInvalidRequest, cloud.InvalidRequest},
		"a gateway's 401":          {tailnetsim.Fault{Status: 401, Body: `{"error":{"code":401,"message":"no"}}`}, tailnet.ReasonCredentialsRefused, cloud.Unauthenticated},
		"a gateway's 403":          {tailnetsim.Fault{Status: 403, Body: `{"error":true,"message":7}`}, tailnet.ReasonMissingScope, cloud.Forbidden},
		"a gateway's other 403":    {tailnetsim.Fault{Status: 403, Body: `{"data":"x","title":[],"detail":{}}`}, tailnet.ReasonMissingScope, cloud.Forbidden},
		"too many requests":        {tailnetsim.Fault{Status: 429, RetryAfter: 7}, tailnet.ReasonThrottled, cloud.Throttled},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			server := newServer(t)
			test.fault.Operation = tailnetsim.OpGetDevice
			server.Inject(test.fault)

			_, err := newClient(t, server).Device(t.Context(), "n1CNTRL")

			g.Expect(tailnet.ReasonOf(err)).To(Equal(test.reason))
			g.Expect(cloud.KindOf(err)).To(Equal(test.kind))
			g.Expect(cloud.RetryAfterOf(err)).To(Equal(time.Duration(test.fault.RetryAfter) * time.Second))
		})
	}
}

// Followed, a redirect would turn the minting of a key into a list of keys, and carry the token to
// another host.
func TestRedirectsAreNotFollowed(t *testing.T) {
	g := NewWithT(t)
	elsewhere := 0
	target := answering(t, func(w http.ResponseWriter, _ *http.Request) { elsewhere++; w.WriteHeader(http.StatusOK) })
	for status, kind := range map[int]string{301: "text/html", 302: "application/json", 307: "", 308: "text/plain"} {
		source := answering(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", target+r.URL.Path+"?token=hunter2")
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			_, _ = w.Write([]byte(`{"message":"moved"}`))
		})
		client, err := tailnet.New(tailnet.Config{APIURL: source, APIKey: apiKey})
		g.Expect(err).NotTo(HaveOccurred())

		_, err = client.CreateKey(t.Context(), tailnet.KeySpec{Tags: []string{nodeTag}})

		g.Expect(tailnet.ReasonOf(err)).To(Equal(tailnet.ReasonNotControlServer), "%d", status)
		g.Expect(err).To(MatchError(And(ContainSubstring("redirects to "+target+","), ContainSubstring("set apiURL"))))
		g.Expect(err).NotTo(MatchError(Or(ContainSubstring("/api/v2"), ContainSubstring("hunter2"))))
	}
	g.Expect(elsewhere).To(BeZero())
}

func TestUnknownTailnetIsNamed(t *testing.T) {
	v2Modes(t, func(t *testing.T, mode tailnetsim.Mode) {
		g := NewWithT(t)
		client := newClient(t, newServer(t, inMode(mode)), func(c *tailnet.Config) { c.Tailnet = "typo.example" })

		err := client.RevokeKey(t.Context(), ownership.Recorded("4711"))

		g.Expect(tailnet.ReasonOf(err)).To(Equal(tailnet.ReasonTailnetNotFound), "not the same as a key that is gone")
		g.Expect(err.Error()).To(ContainSubstring("typo.example"))
	})
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

func TestKeyLetsOneMachineJoin(t *testing.T) {
	modes(t, func(t *testing.T, mode tailnetsim.Mode) {
		g := NewWithT(t)
		now := newClock()
		server := newServer(t, inMode(mode), func(o *tailnetsim.Options) { o.Clock = now.Now })
		client := newClient(t, server)

		key, err := client.CreateKey(t.Context(), tailnet.KeySpec{Tags: []string{nodeTag}, Description: "machine a1"})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(key.Expires).To(BeTemporally("~", begins(mode, now).Add(tailnet.MaxKeyExpiry), 5*time.Second))

		minted := server.Keys()[0]
		g.Expect(minted.Reusable).To(BeFalse())
		g.Expect(minted.Ephemeral).To(BeFalse())
		g.Expect(minted.Preauthorized).To(BeTrue())
		g.Expect(minted.Tags).To(ConsistOf(nodeTag))

		_, err = server.Register(key.Secret.Reveal(), "a1")
		g.Expect(err).NotTo(HaveOccurred())
		_, err = server.Register(key.Secret.Reveal(), "a2")
		g.Expect(err).To(HaveOccurred())

		left, err := client.KeysSince(t.Context(), "machine a1", time.Now())
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(left).To(BeEmpty(), "a used key is of no use")
		g.Expect(client.RevokeKey(t.Context(), ownership.Recorded(key.ID))).To(Succeed())
	})
}

func TestAReusableKeyLetsManyMachinesJoinForADay(t *testing.T) {
	modes(t, func(t *testing.T, mode tailnetsim.Mode) {
		g := NewWithT(t)
		now := newClock()
		server := newServer(t, inMode(mode), func(o *tailnetsim.Options) { o.Clock = now.Now })
		client := newClient(t, server)

		key, err := client.CreateKey(t.Context(), tailnet.KeySpec{Reusable: true, Tags: []string{nodeTag}, Description: "pool"})

		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(key.Expires).To(BeTemporally("~", begins(mode, now).Add(tailnet.MaxReusableKeyExpiry), 5*time.Second))
		for _, name := range []string{"a1", "a2"} {
			_, err = server.Register(key.Secret.Reveal(), name)
			g.Expect(err).NotTo(HaveOccurred())
		}
		g.Expect(server.Devices()).To(HaveEach(HaveField("Tags", ConsistOf(nodeTag))))
		g.Expect(client.KeyIsLive(t.Context(), key.ID, time.Now())).To(BeTrue(), "it can still be used")
		g.Expect(client.RevokeKey(t.Context(), ownership.Recorded(key.ID))).To(Succeed())
		_, err = server.Register(key.Secret.Reveal(), "a3")
		g.Expect(err).To(HaveOccurred())
	})
}

// begins is when a new key's life does: by Headscale's own API the client names its end, by its own
// clock.
func begins(mode tailnetsim.Mode, server *clock) time.Time {
	if speaksV1(mode) {
		return time.Now()
	}
	return server.Now()
}

func TestKeySpecIsRefusedBeforeAnythingIsSent(t *testing.T) {
	for name, spec := range map[string]tailnet.KeySpec{
		"no tag":                {},
		"too long a life":       {Tags: []string{nodeTag}, Expiry: 2 * time.Hour},
		"long life of many":     {Reusable: true, Tags: []string{nodeTag}, Expiry: 25 * time.Hour},
		"negative life":         {Tags: []string{nodeTag}, Expiry: -time.Second},
		"less than a second":    {Tags: []string{nodeTag}, Expiry: time.Millisecond},
		"long description":      {Tags: []string{nodeTag}, Description: strings.Repeat("a", tailnet.MaxDescription+1)},
		"signs in description":  {Tags: []string{nodeTag}, Description: "default/machine"},
		"umlaut in description": {Tags: []string{nodeTag}, Description: "Schlüssel"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			server := newServer(t)

			_, err := newClient(t, server).CreateKey(t.Context(), spec)

			g.Expect(tailnet.ReasonOf(err)).To(Equal(tailnet.ReasonInvalidRequest))
			g.Expect(server.Calls()).To(BeEmpty())
		})
	}
}

// The manager dies after the key is minted and before its identifier is written down: the answer
// never arrives.
func TestKeyIsFoundAndRevokedAfterACrashBetweenMintAndPersist(t *testing.T) {
	for name, listIDsOnly := range map[string]bool{"complete list": false, "list of identifiers": true} {
		t.Run(name, func(t *testing.T) {
			v2Modes(t, func(t *testing.T, mode tailnetsim.Mode) {
				g := NewWithT(t)
				server := newServer(t, inMode(mode), func(o *tailnetsim.Options) { o.ListKeyIDsOnly = listIDsOnly })
				client := newClient(t, server)
				_, err := client.CreateKey(t.Context(), tailnet.KeySpec{Tags: []string{nodeTag}, Description: "another machine"})
				g.Expect(err).NotTo(HaveOccurred())
				server.Inject(tailnetsim.Fault{Operation: tailnetsim.OpCreateKey, LoseAnswer: true})

				_, err = client.CreateKey(t.Context(), tailnet.KeySpec{Tags: []string{nodeTag}, Description: "machine 7f3c"})
				g.Expect(cloud.IsKind(err, cloud.Unavailable)).To(BeTrue())
				lost, err := client.KeysSince(t.Context(), "machine 7f3c", time.Now())
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(lost).To(HaveLen(1))
				g.Expect(lost[0].Tags).To(ConsistOf(nodeTag))
				g.Expect(client.RevokeKey(t.Context(), ownership.Recorded(lost[0].ID))).To(Succeed())

				g.Expect(client.RevokeKey(t.Context(), ownership.Recorded(lost[0].ID))).To(Succeed(), "revoking twice is no error")
				g.Expect(client.KeysSince(t.Context(), "machine 7f3c", time.Now())).To(BeEmpty())
				g.Expect(server.Leftovers().Keys).To(HaveLen(1), "the other machine's key stays")
			})
		})
	}
}

func TestMissingKeyCountsAsRevoked(t *testing.T) {
	modes(t, func(t *testing.T, mode tailnetsim.Mode) {
		g := NewWithT(t)
		client := newClient(t, newServer(t, inMode(mode)))

		g.Expect(client.RevokeKey(t.Context(), ownership.Recorded("4711"))).To(Succeed())
		g.Expect(tailnet.ReasonOf(client.RevokeKey(t.Context(), ownership.Proof{}))).To(Equal(tailnet.ReasonInvalidRequest))
	})
}

// A proxy's 404 page is no evidence for the end of the key.
func TestForeign404IsNotTakenForRevoked(t *testing.T) {
	g := NewWithT(t)
	server := newServer(t)
	server.Inject(tailnetsim.Fault{Operation: tailnetsim.OpDeleteKey, Status: 404, Body: "<html>not here</html>"})

	err := newClient(t, server).RevokeKey(t.Context(), ownership.Recorded("4711"))

	g.Expect(tailnet.ReasonOf(err)).To(Equal(tailnet.ReasonNotControlServer))
}

func TestTagsThatMayNotBeUsedAreNamed(t *testing.T) {
	const foreign = "tag:payroll"
	tests := map[string]struct {
		mode   tailnetsim.Mode
		client tailnetsim.OAuthClient
		owners map[string][]string
		tags   []string
		named  []string
	}{
		"unknown to the policy":           {mode: tailnetsim.Tailscale, tags: []string{"tag:typo"}, named: []string{"tag:typo"}},
		"not the client's":                {mode: tailnetsim.Tailscale, client: tailnetsim.OAuthClient{Tags: []string{nodeTag}}, tags: []string{foreign}, named: []string{foreign}},
		"only one of the client's two":    {mode: tailnetsim.Tailscale, client: tailnetsim.OAuthClient{Tags: []string{nodeTag, controlTag}}, tags: []string{nodeTag}, named: []string{nodeTag}},
		"all of the client's":             {mode: tailnetsim.Tailscale, client: tailnetsim.OAuthClient{Tags: []string{nodeTag, controlTag}}, tags: []string{controlTag, nodeTag}},
		"owned by the client's":           {mode: tailnetsim.Tailscale, client: tailnetsim.OAuthClient{Tags: []string{"tag:capom"}}, owners: map[string][]string{nodeTag: {"tag:capom"}}, tags: []string{nodeTag}},
		"unknown to Headscale's policy":   {mode: tailnetsim.Headscale, client: tailnetsim.OAuthClient{Tags: []string{nodeTag}}, tags: []string{"tag:typo"}, named: []string{"tag:typo"}},
		"not the Headscale client's":      {mode: tailnetsim.Headscale, client: tailnetsim.OAuthClient{Tags: []string{nodeTag}}, tags: []string{foreign}, named: []string{foreign}},
		"of no tag's form":                {mode: tailnetsim.Headscale, tags: []string{"node"}, named: []string{"node"}},
		"one of a Headscale client's two": {mode: tailnetsim.Headscale, client: tailnetsim.OAuthClient{Tags: []string{nodeTag, controlTag}}, tags: []string{nodeTag}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			owners := map[string][]string{nodeTag: {"autogroup:admin"}, controlTag: {"autogroup:admin"}, foreign: {"autogroup:admin"}}
			for tag, by := range test.owners {
				owners[tag] = by
			}
			server := newServer(t, inMode(test.mode), func(o *tailnetsim.Options) { o.TagOwners = owners })
			client := newClient(t, server)
			if test.client.Tags != nil {
				client = newClient(t, server, asClient(server.AddClient(allScopes, test.client.Tags)))
			}

			err := client.Check(t.Context(), tailnet.CheckSpec{TagSets: [][]string{test.tags}, ApproveRoutes: true})

			if test.named == nil {
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(server.Leftovers().Keys).To(BeEmpty())
				return
			}
			var refused *tailnet.TagError
			g.Expect(err).To(BeAssignableToTypeOf(&cloud.Error{}))
			g.Expect(tailnet.ReasonOf(err)).To(Equal(tailnet.ReasonTagRefused))
			g.Expect(errors.As(err, &refused)).To(BeTrue())
			g.Expect(refused.Tags).To(Equal(test.named))
			g.Expect(cloud.UserMessage(err)).To(ContainSubstring(test.named[0]))
		})
	}
}

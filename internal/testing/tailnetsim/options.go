// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetsim

import "time"

// Mode is the kind of control server to be.
type Mode string

const (
	// Tailscale answers as api.tailscale.com does.
	Tailscale Mode = "Tailscale"
	// Headscale answers as Headscale 0.30 does: /version, tailnet "-" only, no list filters, keys
	// revoked but kept, devices always authorised, OAuth errors as in RFC 6749.
	Headscale Mode = "Headscale"
	// Headscale029 answers as Headscale 0.29.2 does: API v1 for an API key, no v2, routers probed.
	Headscale029 Mode = "Headscale029"
	// Headscale028 answers as Headscale 0.28.0 does: API v1 for an API key, an empty page where
	// others say 404, and no probes, so that a router that hangs keeps its routes.
	Headscale028 Mode = "Headscale028"
	// Headscale026 answers as Headscale 0.26 does, as far as a client must to tell: no /version,
	// a user for each key, nodes with forcedTags.
	Headscale026 Mode = "Headscale026"
	// HeadscaleOld has /version and /health and no API that a client could speak.
	HeadscaleOld Mode = "HeadscaleOld"
)

// HasOAuth tells whether the server has OAuth clients, and not API keys alone.
func (m Mode) HasOAuth() bool { return m != Headscale029 && m != Headscale028 && m != Headscale026 }

// versions are what a release of the mode says at /version.
var versions = map[Mode]string{
	Headscale: "v0.30.0", Headscale029: "v0.29.2", Headscale028: "v0.28.0", Headscale026: "none", HeadscaleOld: "v0.29.2",
}

// OAuthClient is a client for fetching access tokens.
type OAuthClient struct {
	ID     string   `json:"id"`
	Secret string   `json:"secret"`
	Scopes []string `json:"scopes"`
	Tags   []string `json:"tags"`
}

// Options configure a Server. The zero value is a Tailscale without credentials on a free port of
// the loopback interface.
type Options struct {
	Mode Mode
	// Addr is where to listen. Empty means 127.0.0.1:0.
	Addr string
	// Version is a Headscale's; empty means the mode's. "none" means no /version, as before 0.27.
	Version string
	// Tailnet is the tailnet's name, accepted by Tailscale beside "-". Empty means example.com.
	Tailnet string
	// Domain is the DNS suffix of device names at Tailscale. Empty means tail51ab.ts.net.
	Domain string
	// Users are Headscale's users by name; their ids count from 1.
	Users []string
	// Policy is the text of Headscale's policy file. Empty means one that is made of TagOwners and
	// AutoApprovers and lets everybody reach everything; "none" that there is no file. The text has
	// no effect.
	Policy string
	// APIKeys are the keys with full access.
	APIKeys []string
	// OAuthClients are the clients existing from the start.
	OAuthClients []OAuthClient
	// TagOwners are the policy's tag owners: tags or users. A tag without a key here does not
	// exist.
	TagOwners map[string][]string
	// AutoApprovers are the policy's approvers of routes: tags by prefix. A prefix covers the
	// prefixes within it.
	AutoApprovers map[string][]string
	// ListKeyIDsOnly makes the list of keys hold identifiers only, as the comment in Tailscale's
	// client library says.
	ListKeyIDsOnly bool
	// Clock tells the time. Nil means the real one.
	Clock func() time.Time
}

func (o Options) withDefaults() Options {
	set := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	if o.Mode == "" {
		o.Mode = Tailscale
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	set(&o.Addr, "127.0.0.1:0")
	set(&o.Tailnet, "example.com")
	set(&o.Domain, "tail51ab.ts.net")
	set(&o.Version, versions[o.Mode])
	return o
}

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
	// HeadscaleOld answers as Headscale 0.29 does: /version and /health, but no v2 API.
	HeadscaleOld Mode = "HeadscaleOld"
)

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
	// Version is a Headscale's. Empty means v0.30.0, or v0.29.2 if old. "none" means no /version,
	// as before 0.27.
	Version string
	// Tailnet is the tailnet's name, accepted by Tailscale beside "-". Empty means example.com.
	Tailnet string
	// Domain is the DNS suffix of device names at Tailscale. Empty means tail51ab.ts.net.
	Domain string
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
	if o.Mode == HeadscaleOld {
		set(&o.Version, "v0.29.2")
	}
	set(&o.Version, "v0.30.0")
	return o
}

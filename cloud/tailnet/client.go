// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"time"

	tailscale "tailscale.com/client/tailscale/v2"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/shared"
)

// Client serves one tailnet with one set of credentials. It is safe for concurrent use. All its
// errors are *cloud.Error; ReasonOf tells them apart.
type Client struct {
	base *url.URL
	// custom is set if the server may be a Headscale.
	custom bool
	// v2 is the API that every server is tried with first; backends has the one in use.
	v2       *v2
	backends selection
	plain    *http.Client
	tokens   *tokenSource
	apiKey   Secret
	gate     *gate
	devices  shared.List[*DeviceList]
	keys     shared.List[[]Key]
	// live are the keys still good for joining.
	live shared.List[map[string]bool]
}

// New returns a client. It sends nothing: use Check to find out whether the configuration works.
func New(cfg Config) (*Client, error) {
	const operation = "Configure"
	if err := cfg.validateCredentials(); err != nil {
		return nil, fail(operation, ReasonInvalidCredentials, err)
	}
	base, err := cfg.baseURL()
	if err != nil {
		return nil, fail(operation, ReasonInvalidConfig, err)
	}
	transport, err := cfg.transport()
	if err != nil {
		return nil, fail(operation, ReasonInvalidConfig, err)
	}
	metrics, err := newMetrics(cfg.Metrics, cfg.Name)
	if err != nil {
		return nil, fail(operation, ReasonInvalidConfig, err)
	}
	var observed http.RoundTripper = &observer{next: transport, metrics: metrics}
	client := &Client{
		base:   base,
		custom: cfg.APIURL != "",
		plain:  &http.Client{Transport: observed, Timeout: cfg.timeout()},
		apiKey: cfg.APIKey,
		gate:   newGate(cfg.Limits, metrics.heldBack),
	}
	// All machines need the one control server: they wait even if it has become slow.
	patience := func(took time.Duration) time.Duration { return max(client.gate.limits.Turn, 2*took) }
	client.devices.Wait, client.keys.Wait, client.live.Wait = patience, patience, patience
	if cfg.OAuth != nil {
		client.tokens = newTokenSource(client.plain, base.JoinPath("api/v2/oauth/token").String(), *cfg.OAuth)
		observed = &bearer{tokens: client.tokens, next: observed}
	}
	client.v2 = &v2{api: &tailscale.Client{
		BaseURL:   base,
		UserAgent: userAgent,
		APIKey:    cfg.APIKey.Reveal(),
		Tailnet:   cmp.Or(cfg.Tailnet, defaultTailnet),
		HTTP:      &http.Client{Transport: observed, Timeout: cfg.timeout()},
	}, lists: client.listsDevices}
	client.backends.set(client.v2, false)
	return client, nil
}

// Close gives up idle connections. The client stays usable.
func (c *Client) Close() { c.plain.CloseIdleConnections() }

// call runs one operation on the API that the server speaks.
func call[T any](ctx context.Context, c *Client, operation string, run func(context.Context, backend) (T, error)) (T, error) {
	var none T
	uninvited, err := c.gate.enter(ctx, operation)
	if err != nil {
		return none, err
	}
	out, err := onBackend(ctx, c, operation, run)
	c.gate.leave(uninvited, err)
	if err != nil {
		return none, err
	}
	return out, nil
}

// do is call for operations without a result.
func do(ctx context.Context, c *Client, operation string, run func(context.Context, backend) error) error {
	_, err := call(ctx, c, operation, func(ctx context.Context, b backend) (struct{}, error) { return struct{}{}, run(ctx, b) })
	return err
}

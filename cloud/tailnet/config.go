// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// DefaultAPIURL is the address of Tailscale's own API.
const DefaultAPIURL = "https://api.tailscale.com"

const (
	defaultTailnet = "-"
	defaultTimeout = 30 * time.Second
	userAgent      = "cluster-api-provider-ocimesh"
)

// OAuth is an OAuth client of the tailnet. It needs the scopes auth_keys and devices:core,
// devices:routes too if this package approves routes, and the machines' tags.
type OAuth struct {
	ClientID     string
	ClientSecret Secret
	// Scopes narrows the access tokens. Empty means everything granted to the client. This is
	// nearly always right: asking for a scope not granted is refused, and narrowing a client of
	// scope "all" takes its tags away (github.com/tailscale/tailscale issue 8299).
	Scopes []string
}

// Config names a Client's tailnet and how to reach it. Exactly one of OAuth and APIKey is needed.
type Config struct {
	// Name is the name of the tailnet in metrics and errors, usually the name of the Tailnet
	// object.
	Name string
	// APIURL is the address of the control server, without the path of its API. Empty means
	// DefaultAPIURL.
	APIURL string
	// Tailnet is the tailnet's name at the control server. Empty means "-", the tailnet of the
	// credentials, and the only one at a Headscale.
	Tailnet string
	OAuth   *OAuth
	APIKey  Secret
	// CABundle holds the PEM certificates to trust instead of the system's. It is used for access
	// tokens as well.
	CABundle []byte
	// Transport carries the requests, with its own trust. Nil means a transport of the client's
	// own, trusting CABundle.
	Transport http.RoundTripper
	// Timeout bounds each request, fetching an access token included. Zero means 30 seconds.
	Timeout time.Duration
	// Limits isolate the tailnet's trouble from the others; zero values are the defaults.
	Limits Limits
	// Metrics receives the request counter. Nil means no metrics.
	Metrics prometheus.Registerer
}

func (c Config) validateCredentials() error {
	switch {
	case c.OAuth == nil && c.APIKey == "":
		return errors.New("no credentials: give an OAuth client or an API key")
	case c.OAuth != nil && c.APIKey != "":
		return errors.New("both an OAuth client and an API key: give only one of them")
	case c.OAuth != nil && (c.OAuth.ClientID == "" || c.OAuth.ClientSecret == ""):
		return errors.New("the OAuth client needs both a client ID and a client secret")
	}
	return nil
}

func (c Config) baseURL() (*url.URL, error) {
	raw := c.APIURL
	if raw == "" {
		raw = DefaultAPIURL
	}
	base, err := url.Parse(raw)
	if err != nil {
		// url.Error repeats the input, and this may hold a password.
		return nil, errors.New("the API URL is malformed: give it as https://host[:port]")
	}
	switch {
	case base.Scheme != "https" && base.Scheme != "http", base.Host == "":
		return nil, errors.New("the API URL is malformed: give it as https://host[:port]")
	case base.User != nil:
		return nil, errors.New("the API URL holds credentials: put them into the Secret")
	case base.RawQuery != "" || base.Fragment != "":
		return nil, errors.New("the API URL has a query or a fragment: give it as https://host[:port]")
	case strings.HasSuffix(strings.TrimRight(base.Path, "/"), "/api/v2"), strings.HasSuffix(strings.TrimRight(base.Path, "/"), "/api/v1"):
		return nil, errors.New("the API URL ends in /api/v2 or /api/v1: leave that away, it is added to every request")
	}
	return base, nil
}

func (c Config) transport() (http.RoundTripper, error) {
	if c.Transport != nil {
		return c.Transport, nil
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if len(c.CABundle) > 0 {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(c.CABundle) {
			return nil, errors.New("the CA bundle holds no PEM certificate")
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return transport, nil
}

func (c Config) timeout() time.Duration {
	if c.Timeout > 0 {
		return c.Timeout
	}
	return defaultTimeout
}

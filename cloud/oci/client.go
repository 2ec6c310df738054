// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/identity"
	"github.com/oracle/oci-go-sdk/v65/limits"
	"github.com/oracle/oci-go-sdk/v65/loadbalancer"
	"github.com/oracle/oci-go-sdk/v65/networkloadbalancer"
	"github.com/oracle/oci-go-sdk/v65/workrequests"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/shared"
)

// defaultRequestTimeout is well above OCI's slowest synchronous calls and well below a reconciler's
// patience.
const defaultRequestTimeout = 30 * time.Second

// Config names a Client's account, and how to reach it.
type Config struct {
	// AccountName is the account's label in metrics and logs.
	AccountName string
	// Principal signs the requests.
	Principal Principal
	// Region is the region identifier, such as eu-frankfurt-1. OCI's SDK accepts any; a nonexistent
	// one shows as cloud.Unavailable when its host name is looked up.
	Region string
	// CompartmentID is the OCID of the compartment for all lists and creations.
	CompartmentID string
	// Endpoint, if not empty, replaces OCI's public addresses: a URL without path; {service} (iaas,
	// identity, limits, network-load-balancer-api) and {region} in it are replaced.
	Endpoint string
	// RequestTimeout bounds each request; 0 means 30 seconds.
	RequestTimeout time.Duration
	// Limits keep the account's trouble its own.
	Limits Limits
	// Metrics counts the requests; nil means no metrics.
	Metrics *Metrics
}

// Client acts in one account and region. It is safe for concurrent use.
type Client struct {
	account       string
	region        string
	compartmentID string
	tenancyID     string
	timeout       time.Duration
	gate          *gate
	metrics       *Metrics
	transport     *http.Transport
	volumes       *sharedVolumes
	shapes        *shared.List[[]Shape]

	compute      core.ComputeClient
	network      core.VirtualNetworkClient
	blockstorage core.BlockstorageClient
	identity     identity.IdentityClient
	limits       limits.LimitsClient
	workRequests workrequests.WorkRequestClient
	pools        core.ComputeManagementClient

	networkLoadBalancer networkloadbalancer.NetworkLoadBalancerClient
	loadBalancer        loadbalancer.LoadBalancerClient
}

// NewClient builds a Client. With a user principal it makes no call: a config refused with
// cloud.InvalidCredentials or cloud.InvalidRequest can never work.
func NewClient(config Config) (*Client, error) {
	if config.Region == "" || config.CompartmentID == "" {
		return nil, badConfig("an account needs a region and a compartment")
	}
	provider, err := newProvider(config)
	if err != nil {
		return nil, err
	}
	tenancyID, err := provider.TenancyOCID()
	if err != nil {
		return nil, badCredentials("the principal's tenancy is not known: %s", err)
	}
	c := &Client{
		account:       config.AccountName,
		region:        config.Region,
		compartmentID: config.CompartmentID,
		tenancyID:     tenancyID,
		timeout:       config.RequestTimeout,
		gate:          newGate(config.AccountName, config.Limits, config.Metrics),
		metrics:       config.Metrics,
		transport:     newTransport(),
		volumes:       newSharedVolumes(),
		shapes:        newSharedList[[]Shape](),
	}
	if c.timeout <= 0 {
		c.timeout = defaultRequestTimeout
	}
	if err := c.connect(provider, config.Endpoint); err != nil {
		return nil, err
	}
	return c, nil
}

// Region returns the region identifier.
func (c *Client) Region() string { return c.region }

// CompartmentID returns the OCID of the compartment.
func (c *Client) CompartmentID() string { return c.compartmentID }

// TenancyID returns the OCID of the principal's tenancy.
func (c *Client) TenancyID() string { return c.tenancyID }

// Close closes idle connections. Calls in flight are not disturbed, and the Client stays usable.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// connect builds the services' clients.
func (c *Client) connect(provider common.ConfigurationProvider, endpoint string) error {
	var errs [9]error
	c.compute, errs[0] = core.NewComputeClientWithConfigurationProvider(provider)
	c.network, errs[1] = core.NewVirtualNetworkClientWithConfigurationProvider(provider)
	c.blockstorage, errs[2] = core.NewBlockstorageClientWithConfigurationProvider(provider)
	c.identity, errs[3] = identity.NewIdentityClientWithConfigurationProvider(provider)
	c.limits, errs[4] = limits.NewLimitsClientWithConfigurationProvider(provider)
	c.workRequests, errs[5] = workrequests.NewWorkRequestClientWithConfigurationProvider(provider)
	c.networkLoadBalancer, errs[6] = networkloadbalancer.NewNetworkLoadBalancerClientWithConfigurationProvider(provider)
	c.loadBalancer, errs[7] = loadbalancer.NewLoadBalancerClientWithConfigurationProvider(provider)
	c.pools, errs[8] = core.NewComputeManagementClientWithConfigurationProvider(provider)
	for _, err := range errs {
		if err != nil {
			return badConfig("no client for region %s: %s", c.region, err)
		}
	}
	for base, name := range map[*common.BaseClient]string{
		&c.compute.BaseClient:      "iaas",
		&c.network.BaseClient:      "iaas",
		&c.blockstorage.BaseClient: "iaas",
		&c.workRequests.BaseClient: "iaas",
		&c.pools.BaseClient:        "iaas",
		&c.identity.BaseClient:     "identity",
		&c.limits.BaseClient:       "limits",
		// The two kinds of load balancers have hosts of their own: see
		// New…ClientWithConfigurationProvider of the SDK's packages.
		&c.networkLoadBalancer.BaseClient: "network-load-balancer-api",
		&c.loadBalancer.BaseClient:        "iaas",
	} {
		if err := c.configure(base, name, endpoint); err != nil {
			return err
		}
	}
	return nil
}

// configure turns off the SDK's hidden behaviour. Retries are on by default in some services
// (identity, network load balancer) and circuit breakers in others; both are also governed by the
// environment.
func (c *Client) configure(base *common.BaseClient, service, endpoint string) error {
	noRetries := common.NoRetryPolicy()
	base.Configuration.RetryPolicy = &noRetries
	base.Configuration.CircuitBreaker = nil
	base.Signer = quietSigner{base.Signer}
	base.HTTPClient = &http.Client{Transport: wire{c.transport}}
	if endpoint == "" {
		return nil
	}
	host := strings.NewReplacer("{service}", service, "{region}", c.region).Replace(strings.TrimSuffix(endpoint, "/"))
	u, err := url.Parse(host)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") ||
		u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return badConfig("the endpoint must be a URL of scheme and host only, such as https://{service}.{region}.example.com")
	}
	base.Host = host
	return nil
}

// quietSigner hides the SDK's signer: for a principal with a refreshable token, BaseClient would
// recognise it and repeat every 401 three times, asleep in between (common/client.go,
// RefreshableTokenWrappedCallWithDetails).
type quietSigner struct{ common.HTTPRequestSigner }

// Sign marks its errors, to tell them from the call's.
func (s quietSigner) Sign(r *http.Request) error {
	if err := s.HTTPRequestSigner.Sign(r); err != nil {
		return &signError{err}
	}
	return nil
}

type signError struct{ err error }

func (e *signError) Error() string { return "signing the request: " + e.err.Error() }

func (e *signError) Unwrap() error { return e.err }

// contextKey finds the caller's context in the one given to the SDK.
type contextKey struct{}

// detached hides ctx's end from the SDK: at this moment it would return a variable still written by
// another of its goroutines (common/retry.go, Retry). The request itself ends with ctx: see wire.
func detached(ctx context.Context) context.Context {
	return context.WithValue(context.WithoutCancel(ctx), contextKey{}, ctx)
}

// wire makes the requests, within the caller's context. It refuses redirects: OCI sends none, a
// signature is not valid for another address, and the SDK would take the redirect's empty body for
// an empty list.
type wire struct{ next http.RoundTripper }

// RoundTrip makes one request.
func (t wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if ctx, ok := r.Context().Value(contextKey{}).(context.Context); ok {
		r = r.WithContext(ctx)
	}
	response, err := t.next.RoundTrip(r)
	if err == nil && response.StatusCode/100 == 3 {
		_ = response.Body.Close()
		return nil, fmt.Errorf("the endpoint answers with a redirect (%d), which OCI does not", response.StatusCode)
	}
	if err == nil {
		withoutUserData(r, response)
	}
	return response, err
}

// newTransport is one pool of connections per account, so an account with a hanging endpoint holds
// up no other.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   16,
		IdleConnTimeout:       90 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
}

func badConfig(format string, args ...any) error {
	return &cloud.Error{Kind: cloud.InvalidRequest, Message: cloud.Scrub(fmt.Sprintf(format, args...))}
}

// silentLogger replaces the SDK's logger: with OCI_GO_SDK_DEBUG set, that one prints request
// bodies, and with them user data.
type silentLogger struct{}

// LogLevel is the SDK's "off".
func (silentLogger) LogLevel() int { return 0 }

// Log drops the line.
func (silentLogger) Log(int, string, ...any) error { return nil }

// The SDK's logger is a global without a lock for its readers: it can be replaced safely only
// before the first call.
func init() { common.SetSDKLogger(silentLogger{}) }

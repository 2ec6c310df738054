// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package helpers

import (
	"cmp"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

// Region of the simulated accounts.
const Region = "us-ashburn-1"

// TailnetVariable is the variable by which suites run at another server than Tailscale:
// "Headscale029".
const TailnetVariable = "CAPOM_TAILNET"

// WorldOptions configure a World.
type WorldOptions struct {
	// Accounts is the number of tenancies; 3 by default.
	Accounts int
	// Tenancy, if not nil, changes the i-th tenancy before the simulator starts.
	Tenancy func(i int, tenancy *sim.Tenancy)
	// Sim configures the OCI simulator, its tenancies apart. Delays are very short and pages small
	// by default.
	Sim sim.Options
	// TailnetMode is TailnetVariable's by default, and without that Tailscale's. A server without
	// OAuth gets an API key in the Secret.
	TailnetMode tailnetsim.Mode
	// Neighbours are on the tailnet before anything of ours. One of them is a node of another
	// cluster with our settings: NodeTag, and with VXLAN no route. Empty tags keep it away where
	// nodes without an object are counted.
	Neighbours tailnetsim.Neighbours
	// Alone keeps the neighbours away.
	Alone bool
	// TailnetClock is the tailnet's; time.Now by default.
	TailnetClock func() time.Time
	// Limits of each account; none by default.
	Limits *oci.Limits
	// TailnetLimits of the tailnet; by default its failures hold nothing back.
	TailnetLimits *tailnet.Limits
	// RequestTimeout of calls; 10 seconds by default.
	RequestTimeout time.Duration
	// VIPRange of the Tailnet; 10.250.0.0/24 by default.
	VIPRange string
	// Mortal, if not nil, stands between the simulators and the readers of the objects.
	Mortal *Mortal
}

// through is the address of a simulator for the objects.
func (o WorldOptions) through(t *testing.T, service, address string) string {
	t.Helper()
	if o.Mortal == nil {
		return address
	}
	return o.Mortal.Through(t, service, address)
}

// World is a namespace with simulated accounts and a simulated tailnet, and their objects and
// Secrets. Cluster-scoped objects are named after the namespace, so the tests of a package do not
// meet.
type World struct {
	*Environment
	// Namespace is the test's own.
	Namespace string
	// ManagerNamespace stands for the manager's own.
	ManagerNamespace string
	// OCI has the tenancies, named as the accounts are.
	OCI       *sim.Sim
	Tenancies []*sim.Tenancy
	// Accounts are <namespace>-a, -b and so on, Credentials their Secrets.
	Accounts    []*infrav1.OCIAccount
	Credentials []*corev1.Secret
	// Control is the tailnet's control server.
	Control *tailnetsim.Server
	// Tailnet is named as the namespace is, TailnetCredentials its Secret: an OAuth client's, or an
	// API key.
	Tailnet            *infrav1.Tailnet
	TailnetCredentials *corev1.Secret
	// Clients read Secrets again at every call.
	Clients *access.Clients
}

// NewWorld starts the simulators and creates the objects. All ends with the test.
func NewWorld(t *testing.T, env *Environment, options WorldOptions) *World {
	t.Helper()
	if options.RequestTimeout == 0 {
		options.RequestTimeout = 10 * time.Second
	}
	limits := oci.Unlimited()
	if options.Limits != nil {
		limits = *options.Limits
	}
	tailnetLimits := tailnet.Limits{Failures: 1e6}
	if options.TailnetLimits != nil {
		tailnetLimits = *options.TailnetLimits
	}
	w := &World{Environment: env, Namespace: env.Namespace(t, nil), ManagerNamespace: env.Namespace(t, nil)}
	w.Clients = access.New(access.Options{
		Client: env.Client, Namespace: w.ManagerNamespace, RequestTimeout: options.RequestTimeout, Limits: limits,
		TailnetLimits: tailnetLimits, StrangerInterval: time.Nanosecond,
	})
	w.startTailnet(t, options)
	w.startOCI(t, options)
	return w
}

func (w *World) startOCI(t *testing.T, options WorldOptions) {
	t.Helper()
	g := NewWithT(t)
	if options.Accounts == 0 {
		options.Accounts = 3
	}
	if options.Sim.Delays == nil {
		options.Sim.Delays = FastDelays()
	}
	if options.Sim.PageSize == 0 {
		options.Sim.PageSize = 2
	}
	for i := range options.Accounts {
		name := fmt.Sprintf("%s-%c", w.Namespace, 'a'+i)
		tenancy := sim.NewTenancy(name)
		tenancy.Inhabited = true
		if options.Tenancy != nil {
			options.Tenancy(i, tenancy)
		}
		key, err := userKey(i)
		g.Expect(err).NotTo(HaveOccurred())
		user, err := tenancy.NewUserWith(key)
		g.Expect(err).NotTo(HaveOccurred())
		w.Tenancies = append(w.Tenancies, tenancy)
		w.Credentials = append(w.Credentials, NewCredentials(w.Namespace, name, user))
	}
	options.Sim.Tenancies = w.Tenancies
	if options.Sim.Seed == 0 {
		options.Sim.Seed = sim.SeedOfEnvironment()
	}
	var err error
	w.OCI, err = sim.New(options.Sim)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(w.OCI.Start("127.0.0.1:0")).To(Succeed())
	t.Cleanup(func() { _ = w.OCI.Close() })
	t.Cleanup(func() { w.expectOthersUntouched(t) })
	address := options.through(t, "oci", w.OCI.URL())
	for i, tenancy := range w.Tenancies {
		account := NewOCIAccount(tenancy.Name, w.Credentials[i], Region, tenancy.Compartment(), address)
		w.Create(t, w.Credentials[i], account)
		w.Accounts = append(w.Accounts, account)
	}
}

// expectOthersUntouched expects that what other people have in the accounts is as it was.
func (w *World) expectOthersUntouched(t *testing.T) {
	t.Helper()
	for _, tenancy := range w.Tenancies {
		touched, err := w.OCI.Touched(tenancy.Name)
		if err != nil || len(touched) > 0 {
			t.Errorf("resources of other people: %v, %v", touched, err)
		}
	}
}

func (w *World) startTailnet(t *testing.T, options WorldOptions) {
	t.Helper()
	g := NewWithT(t)
	if options.VIPRange == "" {
		options.VIPRange = "10.250.0.0/24"
	}
	options.TailnetMode = cmp.Or(options.TailnetMode, tailnetsim.Mode(os.Getenv(TailnetVariable)))
	var err error
	w.Control, err = tailnetsim.New(tailnetsim.Options{
		Mode:      options.TailnetMode,
		Clock:     options.TailnetClock,
		TagOwners: map[string][]string{ProviderTag: nil, NodeTag: {ProviderTag}, ControlPlaneTag: {ProviderTag}},
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(w.Control.Start()).To(Succeed())
	t.Cleanup(w.Control.Close)
	// Before another test's server has the port: Tailnets of both would be of one network.
	t.Cleanup(func() { w.forget(t) })
	if options.Neighbours.ClusterTags == nil {
		options.Neighbours.ClusterTags = []string{NodeTag}
		if options.Neighbours.ClusterRoutes == nil {
			options.Neighbours.ClusterRoutes = []netip.Prefix{}
		}
	}
	if !options.Alone {
		w.Control.AddNeighbours(options.Neighbours)
	}
	w.TailnetCredentials = &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.Namespace, Name: "tailnet"}}
	w.Tailnet = NewTailnet(w.Namespace, w.TailnetCredentials, options.through(t, "tailnet", w.Control.URL()), options.VIPRange)
	if options.TailnetMode.HasOAuth() {
		oauth := w.Control.AddClient([]string{"auth_keys", "devices:core", "devices:routes"}, []string{ProviderTag})
		w.TailnetCredentials.Data = map[string][]byte{
			infrav1.TailnetClientIDKey: []byte(oauth.ID), infrav1.TailnetClientSecretKey: []byte(oauth.Secret),
		}
	} else {
		w.Tailnet.Spec.Credentials.Type = infrav1.APIKey
		w.TailnetCredentials.Data = map[string][]byte{infrav1.TailnetAPIKeyKey: []byte(w.Control.AddAPIKey())}
	}
	w.Create(t, w.TailnetCredentials, w.Tailnet)
}

// userKeys are the keys of the accounts, by their number, in all worlds of a process: to make one
// takes longer than all else a small world needs. Tenancies and users have OCIDs of their own.
var userKeys struct {
	sync.Mutex
	keys []*rsa.PrivateKey
}

// userKeyBits is half of what OCI asks for: every call is signed, and with keys of 2,048 bits that
// is a third of the time that tests of controllers compute.
const userKeyBits = 1024

func userKey(i int) (*rsa.PrivateKey, error) {
	userKeys.Lock()
	defer userKeys.Unlock()
	for len(userKeys.keys) <= i {
		key, err := rsa.GenerateKey(rand.Reader, userKeyBits) //nolint:gosec // The simulator's, for a test's time.
		if err != nil {
			return nil, err
		}
		userKeys.keys = append(userKeys.keys, key)
	}
	return userKeys.keys[i], nil
}

// FastDelays let life cycles take as long as a poll of a test.
func FastDelays() *sim.Delays {
	const short = 10 * time.Millisecond
	return &sim.Delays{
		Provision: short, Start: short, Stop: short, Terminate: short, Network: short, Volume: short, Retention: time.Minute,
	}
}

// AccountNames are the accounts' names, in order.
func (w *World) AccountNames() []string {
	var names []string
	for _, account := range w.Accounts {
		names = append(names, account.Name)
	}
	return names
}

// MakeReady plays the part of the account and the tailnet controllers: it marks the accounts, all
// if none is named, and the tailnet as Ready, and fills in the availability domains.
func (w *World) MakeReady(t *testing.T, accounts ...string) {
	t.Helper()
	for i, account := range w.Accounts {
		if len(accounts) > 0 && !slices.Contains(accounts, account.Name) {
			continue
		}
		w.Reload(t, account)
		account.Status.AvailabilityDomains = nil
		for n, name := range w.Tenancies[i].AvailabilityDomains() {
			account.Status.AvailabilityDomains = append(account.Status.AvailabilityDomains, infrav1.AvailabilityDomain{
				Name: name, ShortName: fmt.Sprintf("ad-%d", n+1), FaultDomains: w.Tenancies[i].FaultDomains(),
			})
		}
		w.SetReady(t, account, metav1.ConditionTrue, infrav1.ReadyReason, "")
	}
	w.Reload(t, w.Tailnet)
	w.SetReady(t, w.Tailnet, metav1.ConditionTrue, infrav1.ReadyReason, "")
}

// ExpectNothingLeft expects no resource in any tenancy, and no device and no usable key in the
// tailnet.
func (w *World) ExpectNothingLeft(t *testing.T) {
	t.Helper()
	g := NewWithT(t)
	for _, tenancy := range w.Tenancies {
		left, err := w.OCI.Leftovers(tenancy.Name)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(left).To(BeEmpty(), "resources of tenancy %s", tenancy.Name)
	}
	left := w.Control.Leftovers()
	g.Expect(left.Devices).To(BeEmpty(), "devices of the tailnet")
	g.Expect(left.Keys).To(BeEmpty(), "keys with which a machine could still join")
}

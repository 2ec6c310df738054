// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/cloudinit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/user"
)

const (
	// Namespace holds clusters and machines.
	Namespace = "default"
	// TailnetName names the Tailnet.
	TailnetName = "home"
	// plenty is a service limit out of reach.
	plenty = 1_000_000
)

// startClouds starts the simulators.
func (f *Fleet) startClouds(ctx context.Context) error {
	var err error
	f.Control, err = tailnetsim.New(tailnetsim.Options{
		Mode: f.options.Tailnet,
		TagOwners: map[string][]string{
			helpers.ProviderTag: nil, helpers.NodeTag: {helpers.ProviderTag}, helpers.ControlPlaneTag: {helpers.ProviderTag},
		},
	})
	if err != nil {
		return err
	}
	if err := f.Control.Start(); err != nil {
		return err
	}
	if err := f.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: user.SecretsNamespace}}); err != nil {
		return fmt.Errorf("create the namespace of credentials: %w", err)
	}
	return nil
}

// createAccounts creates the tenancies, the OCIAccounts and the Tailnet.
func (f *Fleet) createAccounts(ctx context.Context) error {
	var accounts []*user.Account
	for i := range f.options.Accounts {
		account, err := user.NewAccount(fmt.Sprintf("account-%02d", i+1), helpers.Region)
		if err != nil {
			return err
		}
		account.Tenancy.RequestRate, account.Tenancy.RequestBurst = f.options.RequestRate, f.options.RequestBurst
		account.Tenancy.Limits = map[string]int64{
			"standard-a1-core-count": plenty, "standard-a1-memory-count": plenty, "total-storage-gb": plenty, "volume-count": plenty,
		}
		accounts = append(accounts, account)
		f.Accounts = append(f.Accounts, account.Name)
	}
	f.joiner = &joiner{control: f.Control, delay: f.options.Join, joined: map[string]string{}}
	var err error
	f.OCI, err = sim.New(sim.Options{Tenancies: user.Tenancies(accounts), Delays: &f.options.Delays, Booter: f.joiner})
	if err != nil {
		return err
	}
	if err := f.OCI.Start("127.0.0.1:0"); err != nil {
		return err
	}
	allowed := infrav1.AllowedNamespaces{List: []string{Namespace}}
	oauth := f.Control.AddClient([]string{"auth_keys", "devices:core", "devices:routes"}, []string{helpers.ProviderTag})
	objects := user.TailnetObjects(TailnetName, infrav1.OAuthClient,
		map[string]string{infrav1.TailnetClientIDKey: oauth.ID, infrav1.TailnetClientSecretKey: oauth.Secret},
		infrav1.TailnetSpec{
			LoginServer: f.Control.URL(), NodeTags: []string{helpers.NodeTag}, ControlPlaneTags: []string{helpers.ControlPlaneTag},
			VIPRange: "10.250.0.0/24", AllowedNamespaces: allowed,
		})
	address := f.OCI.URL()
	if f.options.Between != nil {
		address = f.options.Between(address)
	}
	for _, account := range accounts {
		objects = append(objects, account.Objects(address, allowed)...)
	}
	for _, object := range objects {
		if err := f.Client.Create(ctx, object); err != nil {
			return fmt.Errorf("create %T %s: %w", object, object.GetName(), err)
		}
	}
	return nil
}

func (f *Fleet) awaitAccounts(ctx context.Context) error {
	return f.Await(ctx, 500*time.Millisecond, func(ctx context.Context) (string, error) {
		accounts, tailnet := &infrav1.OCIAccountList{}, &infrav1.Tailnet{}
		if err := f.Client.List(ctx, accounts); err != nil {
			return "", err
		}
		if err := f.Client.Get(ctx, client.ObjectKey{Name: TailnetName}, tailnet); err != nil {
			return "", err
		}
		objects := []client.Object{tailnet}
		for i := range accounts.Items {
			objects = append(objects, &accounts.Items[i])
		}
		return user.NotReady(objects), nil
	})
}

// joiner boots machines as far as the tailnet: some time after its start a machine joins with the
// key in its user data. The state is on its disk: a second start is the same device.
type joiner struct {
	control *tailnetsim.Server
	delay   time.Duration

	mu sync.Mutex
	// joined is the device of each instance; failure is the error of the first machine unable to
	// join.
	joined  map[string]string
	failure error
}

func (j *joiner) Boot(ctx context.Context, machine sim.Machine) {
	select {
	case <-ctx.Done():
		return
	case <-time.After(j.delay):
	}
	if id, known := j.device(machine.ID); known {
		_ = j.control.SetOnline(id, true)
		return
	}
	parsed, err := cloudinit.Parse(machine.UserData)
	if err != nil {
		j.fail(err)
		return
	}
	device, err := j.control.Register(string(parsed.AuthKey), parsed.Hostname)
	if err != nil {
		j.fail(fmt.Errorf("joining as %s: %w", parsed.Hostname, err))
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.joined[machine.ID] = device.ID
}

// Stop takes the device offline.
func (j *joiner) Stop(_ context.Context, machine sim.Machine) {
	if id, known := j.device(machine.ID); known {
		_ = j.control.SetOnline(id, false)
	}
}

// Terminate takes the device offline; it stays in the tailnet until it is deleted.
func (j *joiner) Terminate(ctx context.Context, machine sim.Machine) { j.Stop(ctx, machine) }

func (j *joiner) device(instance string) (id string, known bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	id, known = j.joined[instance]
	return id, known
}

func (j *joiner) fail(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.failure == nil {
		j.failure = err
	}
}

// JoinFailure is why a machine could not join the tailnet; nil without a failed attempt.
func (f *Fleet) JoinFailure() error {
	f.joiner.mu.Lock()
	defer f.joiner.mu.Unlock()
	return f.joiner.failure
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package fleet runs this provider's manager as a process over a real API server, simulated
// accounts and a simulated tailnet, and makes any number of machines. Cluster API's own controllers
// stay out: owners and bootstrap data are made here.
//
// Tests and benchmarks use it.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ports"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/process"
)

// Options configure a fleet.
type Options struct {
	// Root is the folder of this repository; Dir receives the manager, its log and a kubeconfig,
	// and must exist.
	Root, Dir string
	// Accounts is the number of tenancies, Clusters that of clusters: not more than Accounts, since
	// each account belongs to one cluster.
	Accounts, Clusters int
	// Delays of OCI, and Join, the time from RUNNING until a machine has joined the tailnet.
	Delays sim.Delays
	Join   time.Duration
	// RequestRate is the calls per second an account gets from OCI, RequestBurst how many at once;
	// 0 is without limit.
	RequestRate  float64
	RequestBurst int
	// Tailnet is the kind of control server.
	Tailnet tailnetsim.Mode
	// Args are flags of the manager besides addresses and certificates, Environment is what it gets
	// besides what its Deployment sets.
	Args, Environment []string
	// Between, if not nil, gets OCI's address and returns the one for accounts instead.
	Between func(oci string) string
}

// Fleet is a running fleet. Close ends it.
type Fleet struct {
	Client client.Client
	// OCI and Control are the simulators, Accounts the accounts' names.
	OCI      *sim.Sim
	Control  *tailnetsim.Server
	Accounts []string
	// Manager is the process, Diagnostics its endpoint.
	Manager     *process.Process
	Diagnostics *Diagnostics
	// Failed has the error of a manager's unexpected end.
	Failed <-chan error

	options  Options
	server   *envtest.Environment
	config   *rest.Config
	joiner   *joiner
	clusters []*cluster
}

// Start brings everything up, until all accounts, the tailnet and the networks of all clusters are
// ready. On an error nothing is left running.
func Start(ctx context.Context, options Options) (*Fleet, error) {
	f := &Fleet{options: options}
	for _, step := range []func(context.Context) error{
		f.startServer, f.startClouds, f.createAccounts, f.startManager, f.awaitAccounts, f.createClusters,
	} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	return f, nil
}

// Close ends the manager first.
func (f *Fleet) Close() error {
	var errs []error
	if f.Manager != nil {
		f.Manager.Stop()
	}
	if f.OCI != nil {
		errs = append(errs, f.OCI.Close())
	}
	if f.Control != nil {
		f.Control.Close()
	}
	if f.server != nil {
		errs = append(errs, f.server.Stop())
	}
	return errors.Join(errs...)
}

func (f *Fleet) startServer(ctx context.Context) error {
	crds, err := helpers.CRDs()
	if err != nil {
		return err
	}
	port, err := ports.Reserve(ctx)
	if err != nil {
		return err
	}
	webhooks, err := validatingWebhooks(f.options.Root)
	if err != nil {
		return err
	}
	f.server = &envtest.Environment{
		CRDs: crds, ControlPlaneStartTimeout: 2 * time.Minute,
		WebhookInstallOptions: envtest.WebhookInstallOptions{
			ValidatingWebhooks: []*admissionv1.ValidatingWebhookConfiguration{webhooks},
			LocalServingHost:   "127.0.0.1", LocalServingPort: port,
		},
	}
	if err := ports.ForServer(ctx, f.server); err != nil {
		return err
	}
	config, err := f.server.Start()
	if err != nil {
		return fmt.Errorf("start the API server: %w", err)
	}
	f.config = rest.CopyConfig(config)
	f.config.QPS = -1
	scheme, err := helpers.NewScheme()
	if err != nil {
		return err
	}
	f.Client, err = client.New(f.config, client.Options{Scheme: scheme})
	return err
}

// startManager builds and runs the manager as a release would: it serves its diagnostics to
// authorised readers.
func (f *Fleet) startManager(ctx context.Context) error {
	binary, kubeconfig := filepath.Join(f.options.Dir, "manager"), filepath.Join(f.options.Dir, "kubeconfig")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, ".")
	build.Dir = f.options.Root
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the manager: %w: %s", err, out)
	}
	token, err := f.newToken(ctx)
	if err != nil {
		return err
	}
	if err := f.writeKubeconfig(kubeconfig, token); err != nil {
		return err
	}
	health, err := ports.Address(ctx)
	if err != nil {
		return err
	}
	diagnostics, err := ports.Address(ctx)
	if err != nil {
		return err
	}
	f.Diagnostics = newDiagnostics(diagnostics, token)
	environment, err := deployedEnvironment(f.options.Root)
	if err != nil {
		return err
	}
	environment = append(append(environment, f.options.Environment...), "KUBECONFIG="+kubeconfig)
	webhooks := f.server.WebhookInstallOptions
	f.Manager, err = process.Start(f.options.Dir, "manager", environment, binary, append([]string{
		"--webhook-port=" + strconv.Itoa(webhooks.LocalServingPort), "--webhook-cert-dir=" + webhooks.LocalServingCertDir,
		"--health-addr=" + health, "--diagnostics-address=" + diagnostics,
	}, f.options.Args...)...)
	if err != nil {
		return err
	}
	failed := make(chan error, 1)
	f.Failed = failed
	go func() {
		<-f.Manager.Done()
		if !f.Manager.Expected() {
			failed <- f.Manager.Ended()
		}
	}()
	return f.Manager.WaitReady(ctx, health)
}

// Await polls until done returns the empty string; otherwise done names the missing part.
func (f *Fleet) Await(ctx context.Context, interval time.Duration, done func(context.Context) (string, error)) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	missing := "the first look"
	for {
		now, err := done(ctx)
		if err == nil && now == "" {
			return nil
		}
		if err != nil {
			now = err.Error()
		}
		// A look that the deadline ended says nothing of what is missing.
		if ctx.Err() == nil {
			missing = now
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: waiting for %s", context.Cause(ctx), missing)
		case err := <-f.Failed:
			return err
		case <-ticker.C:
		}
	}
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package mgmt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ports"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/process"
)

const (
	// readyTimeout bounds how long managers may take until they are ready.
	readyTimeout = 5 * time.Minute
	// controlTimeout bounds starts and ends of etcd and kube-apiserver, and the time until they
	// serve the installed kinds.
	controlTimeout = 2 * time.Minute
)

// Options configure a management cluster.
type Options struct {
	// Root is the folder of this repository.
	Root string
	// Dir receives the kubeconfig, certificates and a log per process. It must exist.
	Dir string
	// Binaries as FindBinaries returns them.
	Binaries Binaries
	// Provider is this repository's manager; nil leaves it out.
	Provider *Provider
	// Gates are feature gates of Cluster API's managers to open, beside ClusterTopology.
	Gates []string
	// CAAPHCRDs is a folder with the CRDs of Cluster API's add-on provider for Helm. Empty means a
	// stand-in for any HelmChartProxy.
	CAAPHCRDs string
	// Progress, when set, receives one line for each step.
	Progress io.Writer
}

// Provider is this repository's manager as a process.
type Provider struct {
	// Binary is the manager's path; its CRDs and webhooks come from config/default.
	Binary string
	// Args are added to those every manager gets.
	Args []string
	// InPlaceUpdates opens this provider's gate, and Cluster API's gates for it, and has Cluster
	// API ask it.
	InPlaceUpdates bool
}

// Environment is a running management cluster.
type Environment struct {
	Config *rest.Config
	// Kubeconfig is the path of an administrator's kubeconfig.
	Kubeconfig string
	// Dir holds the logs.
	Dir string

	control   *envtest.Environment
	processes []*process.Process
	failed    chan error
	// extensionPort is where the provider answers Cluster API's hooks.
	extensionPort int
}

// Start brings up a management cluster; Stop ends it. On an error nothing is
// left running.
func Start(ctx context.Context, o Options) (*Environment, error) {
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	e := &Environment{Dir: o.Dir, Kubeconfig: filepath.Join(o.Dir, "management.kubeconfig"), failed: make(chan error, 8)}
	if err := e.start(ctx, o); err != nil {
		return nil, errors.Join(err, e.Stop())
	}
	return e, nil
}

func (e *Environment) start(ctx context.Context, o Options) error {
	if err := e.startAPIServer(ctx, o); err != nil {
		return err
	}
	fmt.Fprintln(o.Progress, "kube-apiserver and etcd are up")
	managers, err := managersOf(ctx, o)
	if err != nil {
		return err
	}
	if err := installExtras(ctx, e.Config, o, managers); err != nil {
		return err
	}
	fmt.Fprintln(o.Progress, "CRDs of the add-on provider and clusterctl are installed")
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for _, m := range managers {
		if err := e.startManager(ctx, m); err != nil {
			return err
		}
		fmt.Fprintf(o.Progress, "%s started\n", m.name)
	}
	if err := e.waitReady(ctx, managers); err != nil || !o.updatesInPlace() {
		return err
	}
	return e.registerExtension(ctx, o)
}

func (e *Environment) startAPIServer(ctx context.Context, o Options) error {
	e.control = &envtest.Environment{
		BinaryAssetsDirectory: o.Binaries.Envtest, ControlPlaneStartTimeout: controlTimeout, ControlPlaneStopTimeout: controlTimeout,
	}
	if err := ports.ForServer(ctx, e.control); err != nil {
		return err
	}
	config, err := e.control.Start()
	if err != nil {
		return fmt.Errorf("start etcd and kube-apiserver: %w", err)
	}
	// Several managers and a demo share this API server; client-side limits
	// would only make them wait for each other.
	config.QPS, config.Burst = 200, 400
	e.Config = config
	if err := os.WriteFile(e.Kubeconfig, e.control.KubeConfig, 0o600); err != nil {
		return fmt.Errorf("write the kubeconfig: %w", err)
	}
	return nil
}

// Failed yields the error of a manager's end before Stop.
func (e *Environment) Failed() <-chan error { return e.failed }

// Pause stops all managers, webhooks included, until Resume: nothing of the management cluster
// acts. Its API server goes on, for those who look at what was there.
func (e *Environment) Pause() error { return e.each((*process.Process).Pause) }

// Resume has all managers go on.
func (e *Environment) Resume() error { return e.each((*process.Process).Resume) }

func (e *Environment) each(do func(*process.Process) error) error {
	var errs []error
	for _, p := range e.processes {
		errs = append(errs, do(p))
	}
	return errors.Join(errs...)
}

// Stop ends all processes, managers first, and waits for them.
func (e *Environment) Stop() error {
	processes := e.processes
	e.processes = nil
	for i := len(processes) - 1; i >= 0; i-- {
		processes[i].Stop()
	}
	if e.control == nil {
		return nil
	}
	if err := e.control.Stop(); err != nil {
		return fmt.Errorf("stop etcd and kube-apiserver: %w", err)
	}
	return nil
}

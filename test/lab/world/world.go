// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/enter"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/kit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/mirror"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/network"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/mgmt"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/process"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/user"
)

// TailnetName is the Tailnet created by Start.
const TailnetName = "mesh"

// Options configure a World.
type Options struct {
	// Dir takes logs, disks and consoles. It is emptied first.
	Dir string
	// Programs as Prepare returns them.
	Programs Programs
	// Accounts are the names of the OCI accounts.
	Accounts []string
	// Management leaves out the management cluster when false: then there are
	// the clouds only.
	Management bool
	// InPlaceUpdates opens the gates for updates in place, ours and Cluster API's.
	InPlaceUpdates bool
	// JoinTimeout is the manager's --join-timeout; 0 means its default.
	JoinTimeout time.Duration
	// Connector is the pod network of another Kubernetes cluster that a connector leads to; empty
	// means the clusters' own, which only VXLAN lives beside.
	Connector string
	// Progress receives lines of text.
	Progress io.Writer
}

// World is a running lab. Everything in it may be used at any time, but not
// after Close.
type World struct {
	Dir      string
	Programs Programs
	Network  *network.Network
	// OCI is the simulator, Tailnet the control side of the coordination server.
	OCI     *sim.Sim
	Tailnet *tailnetsim.Remote
	// Mirror serves packages.
	Mirror *mirror.Server
	// Management and Client are nil without a management cluster.
	Management *mgmt.Environment
	Client     client.Client

	accounts []*user.Account
	networks map[string]*Account
	machines *machines
	// solos counts machines of no cluster, for their addresses.
	solos    atomic.Int32
	progress io.Writer
	closers  []func() error

	// apiKey and http reach the tailnet's API.
	apiKey string
	http   *http.Client
}

// Programs are the executables of a World.
type Programs struct {
	// Root is the repository.
	Root       string
	Management mgmt.Binaries
	// Manager is this repository's, Release the clusterctl repository.
	Manager, Release string
	// Coordination is the coordination server, Node what the probes run.
	Coordination, Node string
	Assets             kit.Assets
	// Mirror is the folder of package repositories.
	Mirror string
}

// Start brings the lab up. On an error nothing is left of it.
func Start(ctx context.Context, o Options) (*World, error) {
	if err := os.RemoveAll(o.Dir); err != nil {
		return nil, fmt.Errorf("empty the lab's folder: %w", err)
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the lab's folder: %w", err)
	}
	w := &World{Dir: o.Dir, Programs: o.Programs, progress: o.Progress,
		networks: map[string]*Account{}}
	steps := []func(context.Context) error{
		w.openNetwork, w.startServers,
		func(ctx context.Context) error { return w.joinRouters(ctx, o.Connector) },
		func(ctx context.Context) error { return w.startOCI(ctx, o.Accounts) },
	}
	if o.Management {
		steps = append(steps, w.joinManagement, func(ctx context.Context) error { return w.startManagement(ctx, o) }, w.startAddons, w.createAccounts)
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, w.Close())
		}
	}
	return w, nil
}

// Close ends everything, the newest first.
func (w *World) Close() error {
	var errs []error
	for i := len(w.closers) - 1; i >= 0; i-- {
		errs = append(errs, w.closers[i]())
	}
	w.closers = nil
	return errors.Join(errs...)
}

func (w *World) onClose(f func() error) { w.closers = append(w.closers, f) }

func (w *World) note(format string, args ...any) { fmt.Fprintf(w.progress, format+"\n", args...) }

// run starts a program, to end with the World.
func (w *World) run(name string, environment []string, program string, args ...string) error {
	p, err := process.Start(w.Dir, name, environment, program, args...)
	if err != nil {
		return err
	}
	w.onClose(func() error { p.Stop(); return nil })
	return nil
}

// HostPID is the process id, on the lab's host, of a process in the lab's namespaces.
func (w *World) HostPID() int { return enter.HostPID() }

// Log is the path of a program's log file.
func (w *World) Log(name string) string { return filepath.Join(w.Dir, name+".log") }

// WaitFor polls until nothing is missing: what returns the empty string then. It fails after the
// timeout with the last missing part, and when a manager ends.
func (w *World) WaitFor(ctx context.Context, timeout time.Duration, what func(context.Context) string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("not done after %s", timeout))
	defer cancel()
	var failed <-chan error
	if w.Management != nil {
		failed = w.Management.Failed()
	}
	ticker := time.NewTicker(500 * time.Millisecond)
	defer ticker.Stop()
	missing := "the first look"
	for {
		now := what(ctx)
		if now == "" {
			return nil
		}
		// A look that the deadline ended says nothing of what is missing.
		if ctx.Err() == nil {
			missing = now
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: waiting for %s", context.Cause(ctx), missing)
		case err := <-failed:
			return err
		case <-ticker.C:
		}
	}
}

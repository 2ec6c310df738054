// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package mgmt

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ports"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/process"
)

const (
	capiModule = "sigs.k8s.io/cluster-api"
	// providerManager is clusterctl's name of this provider.
	providerManager = "infrastructure-ocimesh"
)

// manager is a provider's controller manager.
type manager struct {
	name      string
	namespace string
	kind      string // clusterctl's provider type
	version   string
	binary    string
	folder    string // of the kustomization config/default
	args      []string
	extension bool // whether it serves Cluster API's hooks

	manifests manifests
	health    string
}

// managersOf lists the managers to run, with their manifests built.
func managersOf(ctx context.Context, o Options) ([]*manager, error) {
	capi, err := moduleDir(ctx, o.Root, capiModule)
	if err != nil {
		return nil, err
	}
	version := filepath.Base(capi)[len("cluster-api@"):]
	gates := gatesFlag(append([]string{"ClusterTopology"}, o.capiGates()...))
	managers := []*manager{
		{name: "cluster-api", namespace: "capi-system", kind: "CoreProvider", version: version,
			binary: o.Binaries.Core, folder: filepath.Join(capi, "core/config/default"), args: []string{gates}},
		{name: "bootstrap-kubeadm", namespace: "capi-kubeadm-bootstrap-system", kind: "BootstrapProvider", version: version,
			binary: o.Binaries.Bootstrap, folder: filepath.Join(capi, "bootstrap/kubeadm/config/default"), args: []string{gates}},
		{name: "control-plane-kubeadm", namespace: "capi-kubeadm-control-plane-system", kind: "ControlPlaneProvider", version: version,
			binary: o.Binaries.ControlPlane, folder: filepath.Join(capi, "controlplane/kubeadm/config/default"),
			// The default of 15 s is for real disks and networks; one lost call would hold a
			// rollout up that long. Once a control plane is Available, its nodes are checked when
			// something in the management cluster changes, or at each sync, every ten minutes by
			// default.
			args: []string{gates, "--etcd-dial-timeout-duration=5s", "--etcd-call-timeout-duration=5s", "--sync-period=30s"}},
	}
	if o.Provider != nil {
		managers = append(managers, &manager{
			name: providerManager, namespace: "capom-system", kind: "InfrastructureProvider", version: "v0.1.0",
			binary: o.Provider.Binary, folder: filepath.Join(o.Root, "config/default"), args: o.Provider.Args,
			extension: o.updatesInPlace(),
		})
	}
	for _, m := range managers {
		if m.manifests, err = buildManifests(ctx, o.Binaries.Kustomize, m.folder); err != nil {
			return nil, err
		}
	}
	return managers, nil
}

// gatesFlag opens gates.
func gatesFlag(gates []string) string {
	return "--feature-gates=" + strings.Join(gates, "=true,") + "=true"
}

func (e *Environment) certDir(manager string) string { return filepath.Join(e.Dir, "certs", manager) }

// startManager installs the manager's CRDs and webhooks, and runs it.
func (e *Environment) startManager(ctx context.Context, m *manager) error {
	certDir := e.certDir(m.name)
	if err := os.MkdirAll(certDir, 0o700); err != nil {
		return fmt.Errorf("make the certificate folder of %s: %w", m.name, err)
	}
	port, err := m.manifests.install(ctx, e.Config, certDir)
	if err != nil {
		return fmt.Errorf("%s: %w", m.name, err)
	}
	if m.health, err = ports.Address(ctx); err != nil {
		return err
	}
	diagnostics, err := ports.Address(ctx)
	if err != nil {
		return err
	}
	if m.extension {
		if e.extensionPort, err = ports.Reserve(ctx); err != nil {
			return err
		}
		m.args = append(m.args, gatesFlag([]string{inPlaceGate}), "--runtime-extension-port="+strconv.Itoa(e.extensionPort))
	}
	environment := []string{"KUBECONFIG=" + e.Kubeconfig}
	p, err := process.Start(e.Dir, m.name, environment, m.binary, append([]string{
		"--webhook-port=" + strconv.Itoa(port),
		"--webhook-cert-dir=" + certDir,
		"--health-addr=" + m.health,
		"--diagnostics-address=" + diagnostics,
		"--insecure-diagnostics",
	}, m.args...)...)
	if err != nil {
		return err
	}
	e.processes = append(e.processes, p)
	go func() {
		<-p.Done()
		if !p.Expected() {
			e.failed <- p.Ended()
		}
	}()
	return nil
}

func (e *Environment) waitReady(ctx context.Context, managers []*manager) error {
	for i, m := range managers {
		if err := e.processes[i].WaitReady(ctx, m.health); err != nil {
			return err
		}
	}
	return nil
}

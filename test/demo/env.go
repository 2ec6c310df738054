// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/klog/v2"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/clouds"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/mgmt"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/nodesim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/user"
)

const (
	// vipRange lies in the loopback network, local as a whole on Linux: API servers can listen on
	// their VIPs without root.
	vipRange = "127.100.0.0/16"
	// publicRange is where OCI's public addresses come from, for the same reason.
	publicRange = "127.101.0.0/16"

	freeShape = "VM.Standard.A1.Flex"
	paidShape = "VM.Standard.E5.Flex"
	// settleTime is longer than the simulated nodes' grace period.
	settleTime = 5 * time.Second
)

// build makes the manager and the release as the Makefile's targets do, and finds the other
// programs; the first run builds those not cached.
func (d *demo) build(ctx context.Context) error {
	var err error
	if d.binaries, err = mgmt.FindBinaries(ctx, d.root, d.screen); err != nil {
		return err
	}
	d.screen.Await("the provider to be built")
	d.manager = filepath.Join(d.dir, "manager")
	if err := user.Command(ctx, d.root, "go", "build", "-o", d.manager, "."); err != nil {
		return err
	}
	d.screen.Await("the release to be written")
	d.release = filepath.Join(d.dir, "release")
	return user.Release(ctx, d.root, d.release)
}

func (d *demo) startClouds(ctx context.Context) error {
	if err := d.makeTenancies(); err != nil {
		return err
	}
	var err error
	d.clouds, err = clouds.Start(ctx, clouds.Options{
		Accounts: d.accounts, VIPRange: vipRange, PublicIPs: netip.MustParsePrefix(publicRange), Log: klog.Background(),
		Timings: nodesim.Timings{
			Boot: 500 * time.Millisecond, Init: time.Second, Join: 500 * time.Millisecond, Retry: time.Second,
			NodeGrace: 3 * time.Second, Failover: time.Second, Tick: 200 * time.Millisecond,
		},
	})
	if err == nil {
		d.oci = d.clouds.OCI
	}
	return err
}

// The accounts of the clusters. The free ones have room for one machine each: three for control
// planes, one for a worker.
var (
	freeAccounts   = []string{"alpha", "bravo", "charlie"}
	workerAccounts = []string{"delta", "echo"}
	paidAccounts   = []string{"echo", "foxtrot"}
)

// makeTenancies describes accounts in three regions, four of them Always Free. The fifth is short
// of hosts: Arm machines fit into one of its fault domains only.
func (d *demo) makeTenancies() error {
	for _, a := range []struct {
		name, region string
		make         func(name, region string) (*user.Account, error)
	}{
		{"alpha", "eu-frankfurt-1", user.NewFreeAccount}, {"bravo", "uk-london-1", user.NewFreeAccount},
		{"charlie", "us-phoenix-1", user.NewFreeAccount}, {"delta", "eu-frankfurt-1", user.NewFreeAccount},
		{"echo", "uk-london-1", user.NewAccount}, {"foxtrot", "us-phoenix-1", user.NewAccount},
	} {
		account, err := a.make(a.name, a.region)
		if err != nil {
			return err
		}
		d.accounts = append(d.accounts, account)
	}
	d.accounts[4].Tenancy.Capacity = map[sim.CapacityKey]int{
		{FaultDomain: "FAULT-DOMAIN-1", Shape: freeShape}: 0,
		{FaultDomain: "FAULT-DOMAIN-2", Shape: freeShape}: 0,
	}
	return nil
}

func (d *demo) startManagement(ctx context.Context) error {
	// Simulated machines boot in seconds.
	intervals := []string{"--poll-interval=10s", "--progress-interval=1s", "--settle-time=" + settleTime.String()}
	var err error
	d.mgmt, err = mgmt.Start(ctx, mgmt.Options{
		Root: d.root, Dir: d.dir, Binaries: d.binaries, CAAPHCRDs: os.Getenv("CAPOM_CAAPH_CRDS"), Progress: d.screen,
		Provider: &mgmt.Provider{Binary: d.manager, InPlaceUpdates: true, Args: intervals},
	})
	if err != nil {
		return err
	}
	d.screen.Note("this provider's intervals are shorter than by default: " + strings.Join(intervals, " "))
	d.client, err = user.NewClient(d.mgmt.Config)
	return err
}

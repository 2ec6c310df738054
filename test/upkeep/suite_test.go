// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package upkeep tests what becomes of machines that are to be kept: changes in place, and repairs
// before replacement. Cluster API's controllers with their gates for updates in place, its
// MachineHealthChecks and this provider are the real ones; Oracle Cloud, the tailnet and the nodes
// on the machines are simulated. Its tests share one management cluster. CAPOM_UPKEEP_LOGS names a
// folder in which the managers' logs stay.
package upkeep

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/clouds"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/mgmt"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/user"
)

// suite is what the tests share.
var suite struct {
	mgmt.Binaries
	*clouds.Clouds
	management *mgmt.Environment
	client     client.Client
	release    string
}

func TestMain(m *testing.M) {
	klog.SetLogger(logr.Discard())
	ctrl.SetLogger(logr.Discard())
	code, err := run(context.Background(), m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(ctx context.Context, m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "upkeep")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	root, err := filepath.Abs("../..")
	if err != nil {
		return 0, err
	}
	if suite.Binaries, err = mgmt.FindBinaries(ctx, root, os.Stderr); err != nil {
		return 0, err
	}
	manager := filepath.Join(dir, "manager")
	if err := user.Command(ctx, root, "go", "build", "-o", manager, "."); err != nil {
		return 0, err
	}
	suite.release = filepath.Join(dir, "release")
	if err := user.Release(ctx, root, suite.release); err != nil {
		return 0, err
	}
	if suite.Clouds, err = startClouds(ctx); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, suite.Close()) }()
	logs := os.Getenv("CAPOM_UPKEEP_LOGS")
	if logs == "" {
		logs = dir
	}
	if suite.management, err = mgmt.Start(ctx, mgmt.Options{
		Root: root, Dir: logs, Binaries: suite.Binaries, Gates: []string{"MachineTaintPropagation"},
		Provider: &mgmt.Provider{Binary: manager, InPlaceUpdates: true, Args: []string{
			"--poll-interval=2s", "--progress-interval=1s", "--settle-time=" + settleTime.String(),
		}},
	}); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, suite.management.Stop()) }()
	if suite.client, err = user.NewClient(suite.management.Config); err != nil {
		return 0, err
	}
	outside := suite.Objects(infrav1.AllowedNamespaces{List: []string{keptNamespace, healedNamespace}})
	if err := user.Create(ctx, suite.client, outside); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

// settleTime is longer than the simulated nodes' grace period.
const settleTime = 2 * time.Second

// startClouds starts accounts as Oracle gives them for nothing, one with more than that, and a
// tailnet.
func startClouds(ctx context.Context) (*clouds.Clouds, error) {
	// Other suites have other ranges: all listen on the same machine.
	options := clouds.Options{VIPRange: "127.104.0.0/16", PublicIPs: netip.MustParsePrefix("127.105.0.0/16"), Log: logr.Discard()}
	for _, name := range append(freeAccounts, paidAccount) {
		newAccount := user.NewFreeAccount
		if name == paidAccount {
			newAccount = user.NewAccount
		}
		account, err := newAccount(name, "eu-frankfurt-1")
		if err != nil {
			return nil, err
		}
		options.Accounts = append(options.Accounts, account)
	}
	return clouds.Start(ctx, options)
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"net"
	"path/filepath"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ports"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/process"
)

// AddManager runs another manager with the same flags beside the first, until Stop of the returned
// process. The two must elect a leader. The API server's webhooks stay the first one's.
func (f *Fleet) AddManager(ctx context.Context, name string) (*process.Process, error) {
	var addresses [3]string
	for i := range addresses {
		var err error
		if addresses[i], err = ports.Address(ctx); err != nil {
			return nil, err
		}
	}
	_, port, err := net.SplitHostPort(addresses[2])
	if err != nil {
		return nil, err
	}
	added, err := process.Start(f.options.Dir, name, []string{"KUBECONFIG=" + filepath.Join(f.options.Dir, "kubeconfig")},
		filepath.Join(f.options.Dir, "manager"), append([]string{
			"--webhook-port=" + port, "--webhook-cert-dir=" + f.server.WebhookInstallOptions.LocalServingCertDir,
			"--health-addr=" + addresses[0], "--diagnostics-address=" + addresses[1],
		}, f.options.Args...)...)
	if err != nil {
		return nil, err
	}
	if err := added.WaitReady(ctx, addresses[0]); err != nil {
		added.Stop()
		return nil, err
	}
	return added, nil
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/cloudinit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

// joiner boots machines as far as the tailnet: it reads the user data as a node would and joins
// with the key in it.
type joiner struct {
	control *tailnetsim.Server

	mu       sync.Mutex
	joined   map[string]string
	failures []error
}

func (j *joiner) problems() []error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.failures
}

// Boot joins the tailnet.
func (j *joiner) Boot(ctx context.Context, machine sim.Machine) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, known := j.joined[machine.ID]; known || ctx.Err() != nil {
		return
	}
	parsed, err := cloudinit.Parse(machine.UserData)
	if err != nil {
		j.failures = append(j.failures, err)
		return
	}
	device, err := j.control.Register(string(parsed.AuthKey), parsed.HostnameOf(machine.ID))
	if err != nil {
		j.failures = append(j.failures, fmt.Errorf("joining: %w", err))
		return
	}
	// sleep moves the tailnet's clock, which keys go by, and not OCI's.
	_ = j.control.Change(device.ID, func(d *tailnetsim.Device) { d.Created = time.Now() })
	j.joined[machine.ID] = device.ID
}

// Stop takes the device offline.
func (j *joiner) Stop(_ context.Context, machine sim.Machine) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if id, known := j.joined[machine.ID]; known {
		_ = j.control.SetOnline(id, false)
	}
}

// Terminate takes the device offline; it stays in the tailnet until somebody deletes it.
func (j *joiner) Terminate(ctx context.Context, machine sim.Machine) { j.Stop(ctx, machine) }

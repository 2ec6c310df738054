// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package nodesim

import (
	"context"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/cloudinit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

// OCI hands the OCI simulator's events to a booter. It implements sim.Booter.
type OCI struct {
	Booter *Booter
}

var _ sim.Booter = OCI{}

// Boot starts the machine's node; it runs until ctx ends.
func (o OCI) Boot(ctx context.Context, machine sim.Machine) {
	o.Booter.Boot(ctx, Instance{
		ID: machine.ID, Name: machine.DisplayName, Architecture: machine.Arch,
		UserData: machine.Metadata[cloudinit.UserDataKey],
	})
}

// Stop has nothing to do: the context of Boot has ended.
func (o OCI) Stop(context.Context, sim.Machine) {}

// Terminate forgets the machine's node.
func (o OCI) Terminate(_ context.Context, machine sim.Machine) { o.Booter.Terminate(machine.ID) }

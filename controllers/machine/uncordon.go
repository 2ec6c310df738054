// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/updates"
)

// drains takes the pods from Nodes before changes in place.
type drains struct{ client client.Client }

// of is the drain of the pass's machine.
func (d drains) of(s *scope) *updates.Drain {
	return &updates.Drain{Pass: &s.Pass, Own: s.own, Machine: s.machine, Cluster: s.cluster, Client: d.client, Recorder: s.recorder, Now: s.now}
}

// uncordon lets pods onto the Node again, if the drain has kept them from it, once the change in
// place is done, given up or put off. Until then the machine is not updated: whoever waits for that
// finds the Node as it was.
func (d drains) uncordon(ctx context.Context, s *scope) error {
	if updates.IsUpdated(s.own) && s.isBack() {
		d.of(s).Undo(ctx, !s.putOff)
	}
	return nil
}

// isBack tells whether nothing interrupts the machine any more for now. Cluster API wants the Nodes
// of Machines that it deletes to stay cordoned.
func (s *scope) isBack() bool {
	if _, waits := s.Noted(infrav1.UpdatedCondition); waits && !s.putOff {
		return false
	}
	return s.machine.DeletionTimestamp.IsZero() && s.instance != nil && s.instance.State == oci.StateRunning &&
		s.observed.Device != nil && s.observed.Device.Online
}

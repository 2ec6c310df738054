// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/report"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/workload"
)

// uncordon lets pods onto the Node again, if the drain has kept them from it, once the change in
// place is done, given up or put off. Until then the machine is not updated: whoever waits for that
// finds the Node as it was. Status may be lost meanwhile, so without a record the Node is asked.
func (r *Reconciler) uncordon(ctx context.Context, s *scope) error {
	drain := &s.own.Status.Drain
	name, recorded := drain.Node, !drain.StartedAt.IsZero()
	if !recorded && !s.putOff {
		name = s.machine.Status.NodeRef.Name
	}
	if name == "" || !s.isUpdated() || !s.isBack() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, drainCalls)
	defer cancel()
	node, err := workload.DrainOf(ctx, r.Client, s.cluster, s.machine, name)
	if err == nil && node != nil && node.ProviderID() == s.own.Spec.ProviderID {
		err = node.Uncordon(ctx)
	}
	switch {
	case err == nil:
		*drain = infrav1.DrainStatus{}
	case recorded:
		s.updating(s.Intervals.Progress, "Waiting for the cluster's API server, to uncordon node %s: %s", name, report.Truncate(err.Error(), 500))
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

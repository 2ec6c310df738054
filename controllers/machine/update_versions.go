// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/updates"
)

// decided are annotations of a new machine, for its whole life: its user data depends on them, and
// must be the same each time that it is launched.
func (r *Reconciler) decided() map[string]string {
	if !r.InPlaceUpdates {
		return nil
	}
	return map[string]string{infrav1.NodeAgentAnnotation: ""}
}

// updateVersions has the node's agent change versions. OCI's part comes first: its restart would
// cut the agent's off.
func (r *Reconciler) updateVersions(ctx context.Context, s *scope) error {
	if (!updates.OfVersions(s.own, s.machine) && !s.own.Status.Update.Step.Grows()) || !s.wasProvisioned() {
		return nil
	}
	if _, waits := s.Noted(infrav1.UpdatedCondition); waits {
		return nil
	}
	node := updates.Node{
		Pass: &s.Pass, Own: s.own, Machine: s.machine, Cluster: client.ObjectKeyFromObject(s.cluster), Client: r.Client, Recorder: r.Recorder,
		Drain: drains{r.Client}.of(s), Now: s.now,
	}
	node.Advance(ctx)
	s.versionsUpdated, s.putOff, s.exclusive = node.Updated, node.PutOff, s.exclusive || node.Drain.Decided
	return nil
}

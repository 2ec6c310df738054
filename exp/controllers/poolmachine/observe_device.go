// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package poolmachine

import (
	"context"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
)

// observeDevice looks for the instance's device in the tailnet and approves its part of the pod
// network.
func (r *Reconciler) observeDevice(ctx context.Context, s *scope) error {
	if s.instance == nil || s.tailnet == nil {
		return nil
	}
	node := tailnetnode.Node{
		Object: s.own, Status: &s.own.Status.Tailnet, Tailnet: s.tailnet, Claim: r.claim(s, s.instance),
		Launched: s.instance.CreatedAt, Running: s.instance.State == oci.StateRunning, Settled: s.own.Status.Initialization.IsProvisioned(), Now: s.now,
	}
	if node.MovedTailnet(&s.Pass) {
		return nil
	}
	observed, err := tailnetnode.Observe(ctx, &s.Pass, s.joins, r.Devices, &r.joins, node)
	if err != nil || observed.Device == nil {
		return err
	}
	s.observed = observed
	return tailnetnode.ApprovePodRoute(ctx, &s.Pass, s.joins, r.Devices, observed, s.tailnet, s.cluster, s.infraCluster)
}

// claim is what the machine knows of its device. Many machines join with the pool's key: the
// instance, if it carries the pool's tags, bounds when the device can have been made. Users make
// objects of this kind too, with names and provider IDs as they like.
func (r *Reconciler) claim(s *scope, instance *oci.Instance) ownership.DeviceClaim {
	claim := ownership.DeviceClaim{
		Hostname: s.own.Name, Tags: s.tailnet.Spec.NodeTags, JoinTimeout: r.Options.withDefaults().JoinTimeout,
	}
	if status := s.own.Status.Tailnet; tailnetnode.JoinedIn(status, s.tailnet.Name) {
		claim.Recorded = tailnetnode.RecordedIn(status)
	}
	if instance == nil {
		return claim
	}
	if _, proven := s.prove(instance.ID, instance.Tags); proven {
		claim.Launched = instance.CreatedAt
	}
	return claim
}

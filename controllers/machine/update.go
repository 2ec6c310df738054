// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/capacity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/updates"
)

// settling is how long after a restart a machine is called updated at the earliest, by default. A
// Node that went down looks Ready for up to 50 seconds more (kube-controller-manager's
// --node-monitor-grace-period), and Cluster API would take the next machine down meanwhile.
const settling = time.Minute

// update makes the instance what a changed spec wants.
func (r *Reconciler) update(ctx context.Context, s *scope) error {
	if !s.wasProvisioned() || s.instance == nil {
		return nil
	}
	update := updates.Instance{
		Pass: &s.Pass, Own: s.own, Owner: s.owner, Machine: s.machine, Client: r.Client, Recorder: r.Recorder, Now: s.now, SettleTime: s.options.SettleTime,
		Seen: *s.instance, Before: oci.LifecycleState(s.before.Status.Instance.State),
		Connect: placedIn(s, r.finder()), VolumeNames: s.volumeNames(),
		Room:     func(ctx context.Context) (*access.Problem, error) { return r.roomForSpec(ctx, s) },
		GiveBack: func() { r.Scheduler.GiveBack(client.ObjectKeyFromObject(s.own)) },
		Withdraw: func(ctx context.Context) error { return r.withdrawBeforeRestart(ctx, s) },
		Drain:    drains{r.Client}.of(s),
	}
	err := update.Advance(ctx)
	s.exclusive, s.putOff = s.exclusive || update.Decided, update.PutOff
	return err
}

// roomForSpec asks the account's budget for the spec's size.
func (r *Reconciler) roomForSpec(ctx context.Context, s *scope) (*access.Problem, error) {
	refusal, err := r.Scheduler.Stay(ctx, s.request(capacity.Refusals(s.own.Status.Shortages)))
	if err != nil || refusal == nil {
		return nil, err
	}
	return &access.Problem{Reason: refusal.Reason, Message: refusal.Message, RetryAfter: refusal.RetryAfter}, nil
}

// withdrawBeforeRestart takes the virtual address from a control plane, if this provider gave it.
func (r *Reconciler) withdrawBeforeRestart(ctx context.Context, s *scope) error {
	if s.tailnet == nil || !s.tailnet.Spec.RouteApproval.ByProvider() {
		return nil
	}
	return r.withdrawRoutes(ctx, s)
}

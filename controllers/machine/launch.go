// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/capacity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/scheduling"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/userdata"
)

// launch asks for the instance. Nothing fallible follows the request in this pass.
func (r *Reconciler) launch(ctx context.Context, s *scope) error {
	if s.launched() {
		return nil
	}
	fresh, err := isFresh(ctx, r.APIReader, s.own)
	if err != nil {
		return err
	}
	if !fresh {
		s.Stop()
		s.Requeue(time.Second)
		return nil
	}
	spec, c, err := r.requests().first(ctx, s)
	if err != nil {
		return err
	}
	launched, err := c.LaunchInstance(ctx, spec)
	if err != nil {
		if !refusedForCertain(err) {
			key, now := client.ObjectKeyFromObject(s.own), s.options.Clock()
			r.creations.searchAnew(key, now)
			r.creations.doubt(key, s.own.Status.Placement.Attempt, now)
		}
		return r.launchFailed(ctx, s, c, err)
	}
	r.noteLaunch(ctx, s.own.Status.Placement, s.sizeIn(s.own.Status.Placement.Shape), launched, s.options.Clock())
	s.own.Status.Instance = infrav1.InstanceStatus{ID: launched.ID, State: string(launched.State)}
	s.own.Status.Claim = r.Claims.Made()
	r.event(s, "InstanceLaunched", "Launch", "Launched instance %s in account %s", launched.ID, s.own.Status.Placement.Account)
	if note := userdata.ExternalCloudProvider(s.bootstrap); note != "" && r.Recorder != nil {
		r.Recorder.Eventf(s.own, nil, corev1.EventTypeWarning, userdata.ExternalCloudProviderReason, "Launch", "%s", note)
	}
	ctrl.LoggerFrom(ctx).Info("Launched the instance", "instance", launched.ID, "Account", s.own.Status.Placement.Account)
	s.Note(infrav1.InstanceReadyCondition, infrav1.InstanceProvisioningReason, "Instance is %s", launched.State)
	s.noteJoining()
	s.Stop()
	// The account's poll brings the next pass; this is in case it is late.
	s.Requeue(s.Intervals.Poll)
	return nil
}

// conflictPasses is how long a launch is repeated that conflicts with something, such as a change
// of its subnet. A conflict that lasts longer refuses the place.
const conflictPasses = 5 * time.Minute

// refusedForCertain tells whether an answer excludes an instance of this launch.
func refusedForCertain(err error) bool {
	return cloud.WasNotSent(err) || capacity.IsShortage(err) || capacity.IsRefusal(err) || isConflict(err) ||
		cloud.IsKind(err, cloud.Throttled, cloud.InvalidCredentials)
}

// isConflict tells an answer that the launch conflicts with something from one about the token.
func isConflict(err error) bool {
	return cloud.IsKind(err, cloud.Conflict) && !cloud.IsRetryTokenUsed(err)
}

// launchFailed decides what a refusal means. Where the answer is not known the next pass repeats
// the same launch.
func (r *Reconciler) launchFailed(ctx context.Context, s *scope, c *oci.Client, err error) error {
	switch kind := cloud.KindOf(err); {
	case kind == cloud.Throttled && cloud.WasNotSent(err):
		// It is this machine's turn later: not worth a condition.
		s.Stop()
		s.Requeue(cloud.RetryAfterOf(err))
		return nil
	case capacity.IsShortage(err):
		// A lost launch's own instance may be what uses up a limit.
		if unproven := r.proveNotLaunched(ctx, s, c, err); unproven != nil {
			return unproven
		}
		return r.short(ctx, s, err)
	case cloud.IsRetryTokenUsed(err):
		return s.tryAnew(ctx, c, err)
	case capacity.IsRefusal(err), isConflict(err) && r.conflictLasts(s):
		if unproven := r.proveNotLaunched(ctx, s, c, err); unproven != nil {
			return unproven
		}
		return r.refused(ctx, s, err)
	}
	return err
}

// conflictLasts tells whether a conflict has outlasted those that pass.
func (r *Reconciler) conflictLasts(s *scope) bool {
	since := r.creations.conflictingSince(client.ObjectKeyFromObject(s.own), s.own.Status.Placement.Attempt, s.now)
	return s.now.Sub(since) >= conflictPasses
}

// tryAnew handles a retry token of an earlier launch, with other user data or with an instance
// since terminated. Another attempt has another token, but needs evidence of the instance's end: a
// list may not show a new one yet. The next pass looks for it again, and a new key brings a new
// token within the hour.
func (s *scope) tryAnew(ctx context.Context, c *oci.Client, refusal error) error {
	ended, err := instance.Ended(ctx, c, s.anybodys())
	if err != nil {
		return err
	}
	if !ended {
		return refusal
	}
	s.own.Status.Placement.Attempt = nextAttempt(s.own)
	s.exclusive = true
	s.Stop()
	s.Requeue(time.Second)
	return nil
}

// giveUpInstance forgets a launch that has come to nothing. It is written also when no new decision
// comes of it: a stale pass must not wipe out an unseen instance.
func (s *scope) giveUpInstance() {
	s.own.Status.Instance = infrav1.InstanceStatus{}
	s.instance = nil
	s.exclusive = true
}

// short records the shortage of a place, for every machine of every cluster, and decides anew at
// once. The machine's own status counts its attempts.
func (r *Reconciler) short(ctx context.Context, s *scope, err error) error {
	at, kind := s.own.Status.Placement, cloud.KindOf(err)
	s.own.Status.Shortages = capacity.Record(s.own.Status.Shortages, scheduling.PlaceOf(at), kind, s.now, s.options.Capacity)
	s.giveUpInstance()
	r.noteShortage(ctx, at, s.sizeIn(at.Shape), kind, s.now)
	r.Metrics.short(at, kind)
	r.event(s, string(kind), "Launch", "No room in account %s, %s %s, for shape %s", at.Account,
		at.AvailabilityDomain, at.FaultDomain, at.Shape)
	ctrl.LoggerFrom(ctx).Info("Found no room", "Account", at.Account, "availabilityDomain", at.AvailabilityDomain,
		"faultDomain", at.FaultDomain, "shape", at.Shape, "reason", kind)
	return r.choose(ctx, s)
}

// noteLaunch tells the account's caches of the instance, before lists show it, and of the room for
// it. Nothing depends on it: after a launch nothing may fail.
func (r *Reconciler) noteLaunch(ctx context.Context, at infrav1.Placement, size capacity.Size, launched oci.Instance, now time.Time) {
	account, err := r.Access.AccountOf(ctx, at.Account, "machine")
	if err != nil {
		return
	}
	r.Pollers.Cache(account).Note(launched, now)
	if r.Pollers.Shortages(account).Found(scheduling.PlaceOf(at), size) {
		r.Pollers.Announce(ctx, account.Name)
	}
}

// noteShortage tells the machines of all clusters of a place without room.
func (r *Reconciler) noteShortage(ctx context.Context, at infrav1.Placement, size capacity.Size, kind cloud.Kind, now time.Time) {
	if account, err := r.Access.AccountOf(ctx, at.Account, "machine"); err == nil {
		r.Pollers.Shortages(account).Record(scheduling.PlaceOf(at), size, kind, now)
		r.Pollers.Announce(ctx, account.Name)
	}
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/capacity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/claims"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/instances"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/scheduling"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/userdata"
)

// launcher places machines and launches their instances, and places them anew where there is no
// room.
type launcher struct {
	requests  requests
	finder    instances.Finder
	creations *creations
	sets      sets
	scheduler *scheduling.Scheduler
	claims    *claims.Claims
	metrics   *Metrics
	saver     saver
	// apiReader reads from the API server.
	apiReader client.Reader
}

func (r *Reconciler) launcher() launcher {
	return launcher{
		requests: requests{access: r.Access, client: r.Client}, finder: r.finder(), creations: &r.creations, sets: r.sets(),
		scheduler: r.Scheduler, claims: r.Claims, metrics: r.Metrics, saver: r.saver(), apiReader: r.APIReader,
	}
}

// launch asks for the instance. Nothing fallible follows the request in this pass.
func (l launcher) launch(ctx context.Context, s *scope) error {
	if s.launched() {
		return nil
	}
	fresh, err := isFresh(ctx, l.apiReader, s)
	if err != nil {
		return err
	}
	if !fresh {
		s.Stop()
		s.Requeue(time.Second)
		return nil
	}
	spec, c, err := l.requests.first(ctx, s)
	if err != nil {
		return err
	}
	launched, err := c.LaunchInstance(ctx, spec)
	if err != nil {
		if !refusedForCertain(err) {
			key, now := client.ObjectKeyFromObject(s.own), s.options.Clock()
			l.creations.searchAnew(key, now)
			l.creations.doubt(key, s.own.Status.Placement.Attempt, now)
		}
		return l.launchFailed(ctx, s, c, err)
	}
	l.noteLaunch(ctx, s, launched)
	s.own.Status.Instance = infrav1.InstanceStatus{ID: launched.ID, State: string(launched.State)}
	s.own.Status.Claim = l.claims.Made()
	recordEvent(s, "InstanceLaunched", "Launch", "Launched instance %s in account %s", launched.ID, s.own.Status.Placement.Account)
	if note := userdata.ExternalCloudProvider(s.bootstrap); note != "" && s.recorder != nil {
		s.recorder.Eventf(s.own, nil, corev1.EventTypeWarning, userdata.ExternalCloudProviderReason, "Launch", "%s", note)
	}
	ctrl.LoggerFrom(ctx).Info("Launched the instance", "instance", launched.ID, "OCIAccount", klog.KRef("", s.own.Status.Placement.Account))
	s.Note(infrav1.InstanceReadyCondition, infrav1.InstanceProvisioningReason, "Instance is %s", launched.State)
	s.noteJoining()
	s.Stop()
	// The next pass looks for the device.
	s.Requeue(2 * s.Intervals.Progress)
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
func (l launcher) launchFailed(ctx context.Context, s *scope, c *oci.Client, err error) error {
	switch kind := cloud.KindOf(err); {
	case kind == cloud.Throttled && cloud.WasNotSent(err):
		// It is this machine's turn later: not worth a condition.
		s.Stop()
		s.Requeue(cloud.RetryAfterOf(err))
		return nil
	case capacity.IsShortage(err):
		// A lost launch's own instance may be what uses up a limit.
		if unproven := l.proveNotLaunched(ctx, s, c, err); unproven != nil {
			return unproven
		}
		return l.short(ctx, s, err)
	case cloud.IsRetryTokenUsed(err):
		return tryAnew(ctx, s, c, err)
	case capacity.IsRefusal(err), isConflict(err) && l.conflictLasts(s):
		if unproven := l.proveNotLaunched(ctx, s, c, err); unproven != nil {
			return unproven
		}
		return l.recordRefusal(ctx, s, err)
	}
	return err
}

// conflictLasts tells whether a conflict has outlasted those that pass.
func (l launcher) conflictLasts(s *scope) bool {
	since := l.creations.conflictingSince(client.ObjectKeyFromObject(s.own), s.own.Status.Placement.Attempt, s.now)
	return s.now.Sub(since) >= conflictPasses
}

// tryAnew handles a retry token of an earlier launch, with other user data or with an instance
// since terminated. Another attempt has another token, but needs evidence of the instance's end: a
// list may not show a new one yet. The next pass looks for it again, and a new key brings a new
// token within the hour.
func tryAnew(ctx context.Context, s *scope, c *oci.Client, refusal error) error {
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
func (l launcher) short(ctx context.Context, s *scope, err error) error {
	at, kind := s.own.Status.Placement, cloud.KindOf(err)
	s.own.Status.Shortages = capacity.Record(s.own.Status.Shortages, scheduling.PlaceOf(at), kind, s.now, s.options.Capacity)
	s.giveUpInstance()
	l.noteShortage(ctx, at, s.sizeIn(at.Shape), kind, s.now)
	l.metrics.short(at, kind)
	recordEvent(s, string(kind), "Launch", "No room in account %s, %s %s, for shape %s", at.Account,
		at.AvailabilityDomain, at.FaultDomain, at.Shape)
	ctrl.LoggerFrom(ctx).Info("Found no room", "OCIAccount", klog.KRef("", at.Account), "availabilityDomain", at.AvailabilityDomain,
		"faultDomain", at.FaultDomain, "shape", at.Shape, "reason", kind)
	return l.chooseAnother(ctx, s)
}

// noteLaunch tells the account's caches of the instance, before lists show it, and of the room for
// it. Nothing depends on it: after a launch nothing may fail. Polls leave the instance time, unless
// it is to end: its device will tell that it runs. A load balancer needs to know sooner, since
// kubeadm needs that one.
func (l launcher) noteLaunch(ctx context.Context, s *scope, launched oci.Instance) {
	at := s.own.Status.Placement
	account, err := l.finder.Access.AccountOf(ctx, at.Account, "machine")
	if err != nil {
		return
	}
	cache := l.finder.Pollers.Cache(account)
	cache.Note(launched, s.options.Clock())
	if s.own.DeletionTimestamp.IsZero() && !s.isBackend() {
		cache.Joining(launched.ID)
	}
	if l.finder.Pollers.Shortages(account).Found(scheduling.PlaceOf(at), s.sizeIn(at.Shape)) {
		l.finder.Pollers.Announce(ctx, account.Name)
	}
}

// noteShortage tells the machines of all clusters of a place without room.
func (l launcher) noteShortage(ctx context.Context, at infrav1.Placement, size capacity.Size, kind cloud.Kind, now time.Time) {
	if account, err := l.finder.Access.AccountOf(ctx, at.Account, "machine"); err == nil {
		l.finder.Pollers.Shortages(account).Record(scheduling.PlaceOf(at), size, kind, now)
		l.finder.Pollers.Announce(ctx, account.Name)
	}
}

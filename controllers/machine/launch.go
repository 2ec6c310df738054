// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"errors"
	"fmt"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/capacity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/scheduling"
)

// codeInvalidatedRetryToken is OCI's answer to a token that was used for something that is gone or
// different (OCI documentation, "API Errors").
const codeInvalidatedRetryToken = "InvalidatedRetryToken"

// launch asks for the instance. Nothing that can fail follows the request in this pass.
func (r *Reconciler) launch(ctx context.Context, s *scope) error {
	if s.launched() {
		return nil
	}
	fresh, err := r.isFresh(ctx, s)
	if err != nil {
		return err
	}
	if !fresh {
		s.Stop()
		s.Requeue(time.Second)
		return nil
	}
	spec, c, err := r.launchSpec(ctx, s)
	if err != nil {
		return err
	}
	launched, err := c.LaunchInstance(ctx, spec)
	if err != nil {
		if !refusedForCertain(err) {
			r.ledger.searchAnew(client.ObjectKeyFromObject(s.own), r.Options.withDefaults().Clock())
		}
		return r.launchFailed(ctx, s, c, err)
	}
	r.note(ctx, s, launched)
	s.own.Status.Instance = infrav1.InstanceStatus{ID: launched.ID, State: string(launched.State)}
	s.own.Status.Claim = r.Claims.Made()
	r.event(s, "InstanceLaunched", "Launch", "Launched instance %s in account %s", launched.ID, s.own.Status.Placement.Account)
	ctrl.LoggerFrom(ctx).Info("Launched the instance", "instance", launched.ID, "Account", s.own.Status.Placement.Account)
	s.Note(infrav1.InstanceReadyCondition, infrav1.InstanceProvisioningReason, "Instance is %s", launched.State)
	s.noteJoining()
	s.Stop()
	// The account's poll brings the next pass; this is for the case that it does not.
	s.Requeue(s.Intervals.Poll)
	return nil
}

// refusedForCertain tells whether an answer proves that this launch made nothing.
func refusedForCertain(err error) bool {
	return cloud.WasNotSent(err) || capacity.IsShortage(err) || cloud.IsKind(err, cloud.Throttled, cloud.InvalidRequest, cloud.Unauthenticated,
		cloud.InvalidCredentials, cloud.Forbidden, cloud.NotFoundOrUnauthorized)
}

// note tells the account's book of the instance, so that it is known before lists show it, and its
// memory that there was room. Nothing depends on it: nothing that can fail follows a launch.
func (r *Reconciler) note(ctx context.Context, s *scope, launched oci.Instance) {
	if account, err := r.account(ctx, s.own.Status.Placement.Account); err == nil {
		r.Pollers.Book(account).Note(launched, r.Options.withDefaults().Clock())
		if r.Pollers.Shortages(account).Found(scheduling.PlaceOf(s.own.Status.Placement), s.sizeIn(s.own.Status.Placement.Shape)) {
			r.Pollers.Announce(ctx, account.Name)
		}
	}
}

// isFresh tells whether this pass has seen the newest placement. A stale cache could show one that
// was given up since, and launch a second instance.
func (r *Reconciler) isFresh(ctx context.Context, s *scope) (bool, error) {
	current := &infrav1.OCIMeshMachine{}
	if err := r.APIReader.Get(ctx, client.ObjectKeyFromObject(s.own), current); err != nil {
		return false, client.IgnoreNotFound(fmt.Errorf("reading the machine before its launch: %w", err))
	}
	return current.DeletionTimestamp.IsZero() && current.UID == s.own.UID &&
		current.Status.Placement == s.own.Status.Placement && current.Status.Instance.ID == "", nil
}

func (r *Reconciler) launchSpec(ctx context.Context, s *scope) (oci.LaunchSpec, *oci.Client, error) {
	account := s.own.Status.Placement.Account
	network := scheduling.NetworkOf(s.infraCluster, account)
	if network == nil || network.SubnetID == "" {
		return oci.LaunchSpec{}, nil, access.NewProblem(infrav1.WaitingReason,
			"Waiting for the cluster's network in account %s", account)
	}
	c, err := r.clientToPlaceIn(ctx, account, s.own.Namespace)
	if err != nil {
		return oci.LaunchSpec{}, nil, err
	}
	userData, err := s.bootstrap.render(s.key.Value, s.own.Spec)
	if err != nil {
		return oci.LaunchSpec{}, nil, err
	}
	return instance.Spec(instance.Launch{
		Machine: s.own.Spec, Placement: s.own.Status.Placement, Network: *network,
		Owner: s.owner, Hostname: s.hostname, Tags: s.tags(), UserData: userData, KeyID: s.key.ID,
	}), c, nil
}

// launchFailed decides what a refusal means. Where the answer is not known the next pass repeats
// the same launch.
func (r *Reconciler) launchFailed(ctx context.Context, s *scope, c *oci.Client, err error) error {
	switch kind := cloud.KindOf(err); {
	case kind == cloud.Throttled && cloud.WasNotSent(err):
		// It is this machine's turn later: nothing that anybody has to know of.
		s.Stop()
		s.Requeue(cloud.RetryAfterOf(err))
		return nil
	case capacity.IsShortage(err):
		return r.short(ctx, s, err)
	case kind == cloud.InvalidRequest:
		return &access.Problem{
			Reason: infrav1.LaunchRefusedReason, Message: "OCI refuses the launch: " + cloud.UserMessage(err), Err: err,
		}
	case kind == cloud.Conflict && codeOf(err) == codeInvalidatedRetryToken:
		return r.usedToken(ctx, s, c, err)
	}
	return err
}

// usedToken handles a retry token under which something was launched before, with other user data
// or since terminated. Another attempt has another token, but is made only on evidence that the
// instance ended: a list may not show a new one yet. The next pass looks for it again, and a new
// key brings a new token within the hour.
func (r *Reconciler) usedToken(ctx context.Context, s *scope, c *oci.Client, refusal error) error {
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

// short remembers that the place has no room, for every machine of every cluster, and decides anew
// at once. The machine's own status counts its attempts.
func (r *Reconciler) short(ctx context.Context, s *scope, err error) error {
	at, kind := s.own.Status.Placement, cloud.KindOf(err)
	s.own.Status.Shortages = capacity.Record(s.own.Status.Shortages, scheduling.PlaceOf(at), kind, s.now, r.Options.Capacity)
	s.own.Status.Instance = infrav1.InstanceStatus{}
	s.instance = nil
	// Also when no new decision comes of it: a stale pass must not wipe out an instance that it has
	// not seen.
	s.exclusive = true
	if account, err := r.account(ctx, at.Account); err == nil {
		r.Pollers.Shortages(account).Record(scheduling.PlaceOf(at), s.sizeIn(at.Shape), kind, s.now)
		r.Pollers.Announce(ctx, account.Name)
	}
	r.Metrics.short(at, kind)
	r.event(s, string(kind), "Launch", "No room in account %s, %s %s, for shape %s", at.Account,
		at.AvailabilityDomain, at.FaultDomain, at.Shape)
	ctrl.LoggerFrom(ctx).Info("Found no room", "Account", at.Account, "availabilityDomain", at.AvailabilityDomain,
		"faultDomain", at.FaultDomain, "shape", at.Shape, "reason", kind)
	return r.choose(ctx, s)
}

func codeOf(err error) string {
	var failure *cloud.Error
	if errors.As(err, &failure) {
		return failure.Code
	}
	return ""
}

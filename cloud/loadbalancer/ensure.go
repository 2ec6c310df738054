// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package loadbalancer

import (
	"context"
	"fmt"
	"net/netip"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

// Known holds facts to remember from one call to the next. All are optional: lost ones are found
// again by the tag.
type Known struct {
	// ID is the load balancer's OCID.
	ID string
	// WorkRequestID is the OCID of the work request of the last change, until its end was seen.
	WorkRequestID string
	// Attempt counts failed creations.
	Attempt int32
	// Creating is set if the last change was its creation, and its end was not seen.
	Creating bool
}

// State is the observed state of a load balancer.
type State struct {
	Known
	// Ready is set once it matches the spec.
	Ready bool
	// Doing names the unfinished work; empty once Ready.
	Doing string
	// Failure is the reason of a failed change; else nil.
	Failure *cloud.Error
	// Lost is set if there is none, and a new one would not have the address in use.
	Lost bool
	// Lifecycle is OCI's.
	Lifecycle oci.LifecycleState
	// Address is where clients reach it; not valid before it is ACTIVE.
	Address netip.Addr
	// Backends are those behind it.
	Backends []oci.Backend
	// Claim is the decision about it; nil if there is no load balancer.
	Claim *ownership.Judgement
}

// Ensure creates the cluster's load balancer and repairs differences from spec: listener, health
// check, security groups, bandwidth. It goes as far as OCI allows without waiting; call it again
// while the state is not Ready. All errors are the client's, and the State is to be remembered also
// with an error.
func (a Account) Ensure(ctx context.Context, owner ownership.Owner, spec Spec, known Known) (State, error) {
	state := State{Known: known}
	found, exists, err := a.find(ctx, owner, known.ID)
	if err != nil {
		return state, err
	}
	if !exists && known.ID == "" && known.WorkRequestID != "" {
		// A classic load balancer's OCID is known to its work request before lists show it.
		work, err := a.ended(ctx, known.WorkRequestID)
		if err != nil {
			return state, err
		}
		switch {
		case work.BalancerID != "":
			if found, exists, err = a.find(ctx, owner, work.BalancerID); err != nil {
				return state, err
			}
		case !work.Ended:
			state.Doing = "making the load balancer"
			return state, nil
		}
	}
	if !exists {
		return a.create(ctx, owner, spec, state)
	}
	state.ID, state.Lifecycle = found.ID, found.State
	judgement := owner.Judge(found.ID, found.Tags)
	state.Claim = &judgement
	switch judgement.Outcome {
	case ownership.Ours:
	case ownership.Elsewhere:
		return state, &ownership.HeldElsewhereError{ID: found.ID, Claim: judgement.Found}
	case ownership.Taken, ownership.Contested:
		state.Doing = Claiming
		return state, a.claim(ctx, owner, found, judgement)
	default:
		return state, &cloud.Error{Kind: cloud.InvalidRequest, Message: fmt.Sprintf(
			"load balancer %s does not carry the tags of cluster %s, %s=%s and %s, so that it is left alone: put the tags back",
			found.ID, owner, infrav1.ClusterUIDTag, owner.Identity(), infrav1.ClusterNameTag)}
	}
	switch found.State {
	case oci.StateActive:
		return a.active(ctx, spec, state, found, judgement.Proof)
	case oci.StateFailed:
		return a.failed(ctx, state, judgement.Proof)
	case oci.StateDeleting:
		state.Doing = "waiting for the end of an earlier load balancer"
	default:
		state.Doing = "making or changing the load balancer"
	}
	return state, nil
}

// attempts bounds the search for a usable retry token.
const attempts = 5

// create creates one load balancer, however often it is called: the retry token is the same for the
// same owner and attempt, so OCI answers a repetition with the first call's load balancer, even
// while its lists do not show it yet. A token is used up once its load balancer is deleted (409
// InvalidatedRetryToken, OCI documentation, "API Errors"); then the next one is taken.
func (a Account) create(ctx context.Context, owner ownership.Owner, spec Spec, state State) (State, error) {
	state.ID, state.WorkRequestID = "", ""
	if !spec.canHave(a.kind) {
		state.Lost = true
		return state, nil
	}
	wanted := balancer(a.kind, owner, spec)
	var err error
	for range attempts {
		wanted.RetryToken = cloud.RetryToken(owner.Digest(), string(a.kind), fmt.Sprint(state.Attempt))
		state.ID, state.WorkRequestID, err = a.Create(ctx, wanted)
		if !cloud.IsRetryTokenUsed(err) {
			break
		}
		state.Attempt++
	}
	if err == nil {
		state.Doing, state.Lifecycle = "making the load balancer", oci.StateCreating
	}
	return state, err
}

// failed finds out why the creation failed, and deletes its remains, so the next pass can try
// again.
func (a Account) failed(ctx context.Context, state State, own ownership.Proof) (State, error) {
	state.Failure = &cloud.Error{Kind: cloud.Unknown, Message: "the load balancer is FAILED"}
	if state.WorkRequestID != "" {
		work, err := a.ended(ctx, state.WorkRequestID)
		if err != nil {
			return state, err
		}
		if work.Failure != nil {
			state.Failure = work.Failure
		}
	}
	_, err := a.Delete(ctx, own)
	if err != nil && !cloud.IsKind(err, cloud.Conflict, cloud.NotFoundOrUnauthorized) {
		return state, err
	}
	state.Attempt++
	state.WorkRequestID = ""
	return state, nil
}

// active checks the result of the last change, and repairs differences from the spec.
func (a Account) active(ctx context.Context, spec Spec, state State, have oci.Balancer, own ownership.Proof) (State, error) {
	state.Address = have.Address
	if state.Creating {
		// ACTIVE is the end of a creation, FAILED that of one that failed: there is nothing to ask.
		state.Creating, state.WorkRequestID = false, ""
	}
	if state.WorkRequestID != "" {
		work, err := a.ended(ctx, state.WorkRequestID)
		if err != nil {
			return state, err
		}
		if !work.Ended {
			state.Doing = "changing the load balancer"
			return state, nil
		}
		state.WorkRequestID = ""
		if work.Failure != nil {
			state.Failure = work.Failure
			return state, nil
		}
	}
	repair := a.difference(spec, have, own)
	if repair == nil {
		state.Ready, state.Backends = true, have.BackendSets[setName].Backends
		return state, nil
	}
	state.Doing = "repairing " + repair.name
	var err error
	if state.WorkRequestID, err = repair.run(ctx); cloud.IsKind(err, cloud.Conflict) {
		// Another change is under way, for a machine joining or leaving.
		return state, nil
	}
	return state, err
}

type repair struct {
	name string
	run  func(context.Context) (workRequestID string, err error)
}

// difference is the first thing to repair; nil if there is none.
func (a Account) difference(spec Spec, have oci.Balancer, own ownership.Proof) *repair {
	wantSet, wantListener := backendSet(a.kind, spec), listener(spec)
	set, hasSet := have.BackendSets[setName]
	front, hasListener := have.Listeners[listenerName]
	switch {
	case !hasSet:
		return &repair{"the backend set", func(ctx context.Context) (string, error) {
			return a.CreateBackendSet(ctx, own, setName, wantSet)
		}}
	case !sameSet(wantSet, set):
		wantSet.Backends = set.Backends
		return &repair{"the health check", func(ctx context.Context) (string, error) {
			return a.UpdateBackendSet(ctx, own, setName, wantSet)
		}}
	case !hasListener:
		return &repair{"the listener", func(ctx context.Context) (string, error) {
			return a.CreateListener(ctx, own, listenerName, wantListener)
		}}
	case front != wantListener:
		return &repair{"the listener", func(ctx context.Context) (string, error) {
			return a.UpdateListener(ctx, own, listenerName, wantListener)
		}}
	case !sameGroups(spec.NSGIDs, have.NSGIDs):
		return &repair{"the security groups", func(ctx context.Context) (string, error) {
			return a.UpdateSecurityGroups(ctx, own, spec.NSGIDs)
		}}
	case isClassic(a.kind) && spec.Bandwidth != have.Bandwidth:
		return &repair{"the bandwidth", func(ctx context.Context) (string, error) {
			return a.UpdateBandwidth(ctx, own, spec.Bandwidth)
		}}
	}
	return nil
}

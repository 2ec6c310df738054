// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/capacity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/claims"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/instances"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/updates"
)

// observeInstance looks at the instance, every pass. The machine's state comes from the account's
// last poll, not from an earlier status.
func (r *Reconciler) observeInstance(ctx context.Context, s *scope) error {
	status := &s.own.Status.Instance
	in, err := r.finder().Connect(ctx, s.own.Status.Placement.Account)
	if err != nil {
		return phases.Unseen(err)
	}
	s.cache = in.Cache
	seen, exists, err := s.currentInstance(ctx, in)
	switch {
	case s.unseen:
		return err
	case err != nil:
		return phases.Unseen(err)
	}
	if !exists {
		seen.State = oci.StateTerminated
	} else {
		standing, err := r.holding().stand(ctx, s, in, sighting{seen, shownAt(in.Cache, s.now)})
		switch {
		case err != nil:
			return phases.Unseen(err)
		case !standing.Ours:
			s.waitForClaim(seen.ID, standing)
			return nil
		}
	}
	if status.State == string(oci.StateProvisioning) && seen.State == oci.StateStarting {
		// On the way up RUNNING follows within seconds: not worth a write for each machine.
		seen.State = oci.StateProvisioning
	}
	status.State = string(seen.State)
	switch seen.State {
	case oci.StateRunning:
		s.instance = &seen
		r.sets().takenIn(s)
		// They stay for the instance's life. A poll fetches them and brings the next pass.
		_, err := instances.RecordAddresses(status, status.ID, in.Cache)
		return phases.Unseen(err)
	case oci.StateTerminated:
		return r.lostInstance(ctx, s, in.Client, exists)
	case oci.StateTerminating:
		s.Note(infrav1.InstanceReadyCondition, infrav1.InstanceTerminatedReason,
			"Instance is TERMINATING and this provider did not ask for it")
	case oci.StateStopping, oci.StateStopped:
		if updates.IsRestarting(s.own.Status.Update) {
			s.Note(infrav1.InstanceReadyCondition, infrav1.InstanceProvisioningReason, "Instance is %s for its change in place", seen.State)
			break
		}
		// Of a stopped one see startInstance.
		if seen.State == oci.StateStopping {
			s.Note(infrav1.InstanceReadyCondition, infrav1.InstanceStoppedReason,
				"Instance is STOPPING: it is being reset, or somebody stops it")
		}
	default:
		s.Note(infrav1.InstanceReadyCondition, infrav1.InstanceProvisioningReason, "Instance is %s", seen.State)
	}
	s.instance = &seen
	return nil
}

// waitForClaim ends a pass over an instance outside our care.
func (s *scope) waitForClaim(id string, standing claims.Standing) {
	if standing.Elsewhere {
		s.WaitFor(s.Intervals.Poll, infrav1.InstanceReadyCondition, infrav1.HeldElsewhereReason,
			"%s", "Instance "+standing.Claim.Elsewhere(id))
		return
	}
	s.WaitFor(time.Second, infrav1.InstanceReadyCondition, infrav1.ClaimingReason,
		"Claiming the instance from management cluster %s", standing.Claim.Holder)
}

// currentInstance finds the instance by the account's polls. A call asks for an instance missing
// from the last one: a list is no evidence of an end, and may miss a new instance.
func (s *scope) currentInstance(ctx context.Context, in instances.Account) (oci.Instance, bool, error) {
	id, cache := s.own.Status.Instance.ID, in.Cache
	if trouble := cache.Trouble(s.now); trouble != nil {
		return oci.Instance{}, false, trouble
	}
	seen, known := cache.Instance(id)
	if known && seen.Listed {
		return seen.Instance, true, nil
	}
	if _, polled := cache.Age(s.now); !polled && s.before.Status.Instance.ID == id {
		s.unseen = true
		cache.Await(client.ObjectKeyFromObject(s.own).String(), s.now)
		return oci.Instance{}, false, &instances.NotPolledError{Account: in.Name}
	}
	found, exists, err := instance.Observe(ctx, in.Client, id)
	if exists {
		cache.Note(found, s.now)
	}
	return found, exists, err
}

// lostInstance judges an instance after its end. A launch without room, or refused, is placed anew;
// any other is for Cluster API to replace.
func (r *Reconciler) lostInstance(ctx context.Context, s *scope, c *oci.Client, listed bool) error {
	why := "this provider did not ask for it"
	if listed && !s.wasProvisioned() {
		failure, err := c.LaunchFailure(ctx, s.own.Status.Instance.ID)
		switch untold := oci.ReasonUntold(err); {
		case untold != "":
			why = untold
		case err != nil:
			return phases.Unseen(err)
		case failure == nil:
		case capacity.IsShortage(failure):
			return r.launcher().short(ctx, s, failure)
		case failure.Kind != cloud.Conflict:
			return r.launcher().recordRefusal(ctx, s, failure)
		default:
			// Somebody terminated it during its launch.
			why = "the launch failed: " + failure.Message
		}
	}
	s.WaitFor(s.Intervals.Poll, infrav1.InstanceReadyCondition, infrav1.InstanceTerminatedReason,
		"Instance is gone: %s; delete the Machine, or let a MachineHealthCheck do so", why)
	return nil
}

// wasProvisioned tells whether Cluster API knows the machine, or knew it before status was lost.
func (s *scope) wasProvisioned() bool {
	return s.own.Spec.ProviderID != "" || s.own.Status.Initialization.IsProvisioned()
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"errors"

	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/instances"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/updates"
)

// adopt looks for an instance of the machine's without a record in status: after a launch with a
// lost answer, a move, or a restore. Status can be lost at any time, so it is never the whole
// truth.
func (r *Reconciler) adopt(ctx context.Context, s *scope) error {
	if s.own.Status.Instance.ID != "" {
		return nil
	}
	if s.own.Status.Placement.Account == "" && s.isNew(&r.creations) {
		return nil
	}
	if err := s.key.Load(ctx); err != nil {
		return err
	}
	if s.neverLaunched() {
		return nil
	}
	found, err := r.finder().Live(ctx, s.target())
	var notPolled *instances.NotPolledError
	switch {
	case errors.As(err, &notPolled):
		return err
	case err != nil:
		return asDuplicate(err)
	}
	if found == nil {
		s.noteMissing()
		return nil
	}
	s.recordInstance(*found)
	recordEvent(s, "InstanceAdopted", "Adopt", "Adopted instance %s in account %s", found.ID, found.Account.Name)
	return nil
}

// neverLaunched tells whether status excludes an instance: a placement is launched only once its
// key is stored, and it is given up only after a refusal.
func (s *scope) neverLaunched() bool {
	if s.own.Spec.ProviderID != "" {
		return false
	}
	if s.own.Status.Placement.Account != "" {
		return !s.key.Exists
	}
	return len(s.own.Status.Shortages) > 0
}

// isNew tells whether this process can exclude a key and an instance: it has seen the machine
// without an identity, and has made nothing for it since.
func (s *scope) isNew(known *creations) bool {
	return s.own.Spec.ProviderID == "" && known.isNew(client.ObjectKeyFromObject(s.own), s.identity)
}

// statusWasLost tells whether there may be an instance without a trace in status: a key is made for
// a placement only, and a placement with a key is given up only for a shortage.
func (s *scope) statusWasLost() bool {
	return s.key.Exists && s.own.Status.Placement.Account == "" && len(s.own.Status.Shortages) == 0
}

// noteMissing judges a search without result. A provisioned machine never gets a second instance,
// and neither does one with a providerID by another hand: such a providerID proves nothing, and its
// instance is left alone.
func (s *scope) noteMissing() {
	if s.own.Spec.ProviderID == "" {
		return
	}
	s.WaitFor(s.Intervals.Poll, infrav1.InstanceReadyCondition, infrav1.InstanceNotOwnedReason,
		"No account has an instance %s with the tags of this machine, %s=%s and %s=%s/%s: if the instance is gone, delete the Machine, or let a "+
			"MachineHealthCheck do so; if providerID was written by hand or came from a copy, recreate the object without it",
		cloud.InstanceIDOf(s.own.Spec.ProviderID), infrav1.MachineUIDTag, s.identity, infrav1.MachineNameTag, s.own.Namespace, s.own.Name)
}

// recordInstance takes a found instance over into status.
func (s *scope) recordInstance(found instances.Located) {
	s.own.Status.Instance = infrav1.InstanceStatus{ID: found.ID, State: string(found.State)}
	if s.own.Status.Placement.Account == found.Account.Name {
		return
	}
	s.own.Status.FailureDomain = found.Account.FailureDomain(found.AvailabilityDomain)
	s.own.Status.Placement = infrav1.Placement{
		Attempt: 1, Account: found.Account.Name, AvailabilityDomain: found.AvailabilityDomain, FaultDomain: found.FaultDomain,
		Shape: found.Shape, ImageID: found.ImageID, Reason: "the machine's instance was found here",
	}
	s.own.Status.Size = infrav1.MachineSizeStatus{}
	updates.SizeSeen(s.own, found.Instance)
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package poolmachine

import (
	"context"
	"fmt"

	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/instances"
	"github.com/ocimesh/cluster-api-provider-ocimesh/exp/controllers/poolid"
)

// observeInstance takes over what polls show. An instance proven gone takes its Machine along: OCI
// has another one in its place (Cluster API's proposal 20220209-machinepool-machines). One never
// seen in the account may be in another compartment.
func (r *Reconciler) observeInstance(ctx context.Context, s *scope) error {
	if trouble := s.cache.Trouble(s.now); trouble != nil {
		return trouble
	}
	seen, known := s.cache.Instance(s.instanceID)
	found, exists := seen.Instance, true
	if !known || !seen.Listed {
		var err error
		if found, exists, err = instance.Observe(ctx, s.client, s.instanceID); err != nil {
			return err
		}
	}
	if !exists {
		found = seen.Instance
		found.ID, found.State = s.instanceID, oci.StateTerminated
	}
	switch {
	case s.take(found):
	case exists:
		s.WaitFor(s.Intervals.Poll, infrav1.InstanceReadyCondition, expv1.InstanceNotOwnedReason, "%s", s.notOwned())
		return nil
	case s.pool.Status.Pool.ID == "":
		s.WaitFor(s.Intervals.Poll, infrav1.InstanceReadyCondition, expv1.InstanceNotOwnedReason, "%s", s.unseen())
		return nil
	}
	status := &s.own.Status
	if !s.proof.IsZero() {
		status.Instance.State = string(found.State)
	}
	if exists {
		status.AvailabilityDomain, status.FaultDomain = found.AvailabilityDomain, found.FaultDomain
		status.FailureDomain = s.account.FailureDomain(found.AvailabilityDomain)
	}
	switch found.State {
	case oci.StateRunning:
		s.instance = &found
		return s.observeAddresses()
	case oci.StateTerminated:
		return r.lost(ctx, s)
	case oci.StateTerminating:
		s.Note(infrav1.InstanceReadyCondition, infrav1.InstanceTerminatedReason, "Instance is TERMINATING and this provider did not ask for it")
	case oci.StateStopping, oci.StateStopped:
		s.Note(infrav1.InstanceReadyCondition, infrav1.InstanceStoppedReason,
			"Instance is %s and this provider did not ask for it: start it, or delete the Machine", found.State)
	default:
		s.Note(infrav1.InstanceReadyCondition, infrav1.InstanceProvisioningReason, "Instance is %s", found.State)
	}
	s.instance = &found
	s.Requeue(s.Intervals.Progress)
	return nil
}

// take records the instance if it is own's.
func (s *scope) take(found oci.Instance) (proven bool) {
	s.proof, proven = s.prove(found.ID, found.Tags)
	if proven {
		s.own.Status.Account, s.own.Status.Instance.ID = s.account.Name, found.ID
	}
	return proven
}

// notOwned says what to do about an instance not proven to be own's.
func (s *scope) notOwned() string {
	pool := poolid.NameIn(s.own)
	return fmt.Sprintf("Instance %s is left alone: it has not the tags of OCIMeshMachinePool %s of this namespace, %s and %s, or this object has not "+
		"the name that follows from both. Delete this object; if the instance was the pool's, terminate it in OCI "+
		"(oci compute instance terminate --instance-id)", s.instanceID, pool, infrav1.MachinePoolUIDTag, infrav1.MachinePoolNameTag)
}

// unseen says what to do about an instance the account does not show and never did, nor its pool:
// an account with the pool in it would show its instances, too.
func (s *scope) unseen() string {
	return fmt.Sprintf("Account %s shows neither instance %s nor its instance pool, so that it is not known to be gone: recreate OCIAccount %s for the "+
		"compartment that the instance is in, or give it credentials that may see it; if the instance is gone, delete the Machine, or this object "+
		"if it has none", s.account.Name, s.instanceID, s.account.Name)
}

func (s *scope) observeAddresses() error {
	known, err := instances.RecordAddresses(&s.own.Status.Instance, s.instanceID, s.cache)
	if err != nil || !known {
		s.Requeue(s.Intervals.Progress)
	}
	if err == nil && !known {
		// Without it Cluster API is not told of the machine, which is not ready before.
		s.Note(infrav1.InstanceReadyCondition, infrav1.InstanceProvisioningReason, "Instance is RUNNING, and its address is not known yet")
	}
	return err
}

// lost deletes the Machine of a lost instance, or the object itself if it has none.
func (r *Reconciler) lost(ctx context.Context, s *scope) error {
	s.WaitFor(s.Intervals.Progress, infrav1.InstanceReadyCondition, infrav1.InstanceTerminatedReason,
		"Instance is gone and this provider did not ask for it: its Machine is deleted, OCI launches another one")
	machine := &clusterv1.Machine{}
	found, err := r.find(ctx, s.own, s.own.Name, machine)
	if err != nil {
		return err
	}
	var victim client.Object = s.own
	if found && poolid.StandsFor(machine, s.own) {
		victim = machine
	}
	if err := r.Client.Delete(ctx, victim); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting machine %s: %w", s.own.Name, err)
	}
	ctrl.LoggerFrom(ctx).Info("Deleted the Machine of an instance that is gone", "instance", s.instanceID)
	return nil
}

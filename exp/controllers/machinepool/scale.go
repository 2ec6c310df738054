// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/capacity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/exp/controllers/poolid"
)

// scale makes the pool as large as wanted, as far as the account's budget has room: more instances
// are OCI's to launch. It is shrink that makes it smaller. A pool that has yet to take another
// configuration or other placements does not grow from those that it has.
func (r *Reconciler) scale(ctx context.Context, s *scope) error {
	if err := r.budget().grant(ctx, s); err != nil {
		return err
	}
	if s.external() && s.sized() {
		return r.followOCI(ctx, s)
	}
	wanted := s.granted
	if s.found.Size < wanted && s.isUpToDate() && s.refused == "" {
		if err := r.budget().reserve(ctx, s, wanted); err != nil {
			return err
		}
		if err := s.resize(ctx, wanted); err != nil {
			return err
		}
	}
	if s.found.Size >= s.wanted() {
		s.own.Status.Pool.Sized = ptr.To(true)
	}
	return s.settled(ctx, wanted)
}

func (s *scope) resize(ctx context.Context, to int) error {
	changed, err := s.change(ctx, oci.PoolChange{Size: &to})
	if err != nil || !changed {
		return err
	}
	ctrl.LoggerFrom(ctx).Info("Resized the instance pool", "instancePool", s.found.ID, "size", to)
	s.cache.Hurry()
	return nil
}

// deleteSurplus deletes as many Machines as are too many, those that go already included.
func (r *Reconciler) deleteSurplus(ctx context.Context, s *scope, surplus int) error {
	var staying []*clusterv1.Machine
	for i := range s.machines {
		object := &s.machines[i]
		if !slices.Contains(s.own.Spec.ProviderIDList, object.Spec.ProviderID) {
			continue
		}
		machine := &clusterv1.Machine{}
		err := r.Client.Get(ctx, client.ObjectKeyFromObject(object), machine)
		switch {
		case err == nil && !poolid.StandsFor(machine, object):
			// It is another kind of machine that has the name.
		case err == nil && machine.DeletionTimestamp.IsZero() && object.DeletionTimestamp.IsZero():
			staying = append(staying, machine)
		case err == nil, apierrors.IsNotFound(err) && !object.DeletionTimestamp.IsZero():
			surplus--
		case !apierrors.IsNotFound(err):
			return fmt.Errorf("reading Machine %s: %w", object.Name, err)
		}
	}
	slices.SortStableFunc(staying, func(a, b *clusterv1.Machine) int { return cmp.Compare(rank(a), rank(b)) })
	for _, machine := range staying[:max(0, min(surplus, len(staying)))] {
		if err := r.Client.Delete(ctx, machine); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("deleting Machine %s: %w", machine.Name, err)
		}
		ctrl.LoggerFrom(ctx).Info("Deleted a surplus Machine", "Machine", klog.KObj(machine))
	}
	return nil
}

// rank orders Machines by who goes first: those that somebody has marked, then those without a
// healthy node, then the rest, of which the oldest comes first as its instance does.
func rank(machine *clusterv1.Machine) int {
	if _, marked := machine.Annotations[clusterv1.DeleteMachineAnnotation]; marked {
		return 0
	}
	if !machine.Status.NodeRef.IsDefined() || !conditions.IsTrue(machine, clusterv1.MachineReadyCondition) {
		return 1
	}
	return 2
}

// followOCI tells the MachinePool what something else has made the pool's size.
func (r *Reconciler) followOCI(ctx context.Context, s *scope) error {
	s.own.Status.Pool.Sized = ptr.To(true)
	size := int32(s.found.Size) //nolint:gosec // OCI's pools hold far fewer.
	if s.machinePool.Spec.Replicas == nil || *s.machinePool.Spec.Replicas != size {
		before := s.machinePool.DeepCopy()
		s.machinePool.Spec.Replicas = &size
		if err := r.Client.Patch(ctx, s.machinePool, client.MergeFrom(before)); err != nil {
			return fmt.Errorf("writing the MachinePool's replicas: %w", err)
		}
	}
	return s.settled(ctx, s.found.Size)
}

// settled says what is missing.
func (s *scope) settled(ctx context.Context, wanted int) error {
	isComplete := s.found.Size == wanted && len(s.live) == wanted
	if isComplete && s.found.State == oci.StateRunning {
		s.Requeue(s.Intervals.Poll)
		return nil
	}
	s.Requeue(s.Intervals.Progress)
	if isComplete && s.found.State == oci.StateScaling {
		// OCI takes a new configuration over, such as each bootstrap token is: nothing is missing.
		return nil
	}
	switch s.found.State {
	case oci.StateRunning, oci.StateScaling, oci.StateProvisioning:
	default:
		s.Note(expv1.PoolReadyCondition, expv1.PoolProvisioningReason, "The instance pool is %s and this provider did not ask for it: start it, or wait", s.found.State)
		return nil
	}
	if len(s.live) < wanted && s.found.State == oci.StateRunning && s.stateBefore != string(oci.StateRunning) {
		// OCI has launched them since the account was listed. Those that another list does not show
		// have lost their tags, and no list will.
		s.cache.Hurry()
	}
	if len(s.live) < wanted && s.found.State != oci.StateRunning {
		// Each failed try leaves a failed work request.
		failure, err := s.client.ScalingFailure(ctx, s.found.ID)
		reason, why := expv1.PoolScalingReason, oci.ReasonUntold(err)
		switch {
		case why != "":
		case err != nil:
			return err
		case failure == nil:
		case capacity.IsShortage(failure):
			reason, why = infrav1.NoCapacityReason, "OCI keeps trying: "+cloud.UserMessage(failure)
		default:
			reason, why = expv1.PoolRefusedReason, "OCI refuses to launch more: "+cloud.UserMessage(failure)
		}
		if why != "" {
			s.Note(expv1.PoolReadyCondition, reason, "The instance pool has %d of %d instances; %s%s", len(s.live), wanted, why, s.refusedChange())
			return nil
		}
	}
	if s.found.State == oci.StateProvisioning {
		s.Note(expv1.PoolReadyCondition, expv1.PoolProvisioningReason, "The instance pool is PROVISIONING and has %d of %d instances", len(s.live), wanted)
		return nil
	}
	s.Note(expv1.PoolReadyCondition, expv1.PoolScalingReason, "The instance pool is %s and has %d of %d instances%s",
		s.found.State, len(s.live), wanted, s.refusedChange())
	return nil
}

// refusedChange ends a message about the pool; it is empty if OCI has refused no change.
func (s *scope) refusedChange() string {
	if s.refused == "" {
		return ""
	}
	return "; a change of it waits, since " + s.refused
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool

import (
	"context"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/cloudinit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/devices"
	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/exp/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/exp/controllers/poolmachine"
	"github.com/ocimesh/cluster-api-provider-ocimesh/exp/controllers/remains"
)

// settlingPasses is for how many intervals of progress a search without result is repeated: a list of OCI's may not show yet what was
// just made.
const settlingPasses = 3

// connectToDelete finds account and tailnet, whatever their state. Without them nothing can be proven gone.
func (r *Reconciler) connectToDelete(ctx context.Context, s *scope) error {
	account := &infrav1.OCIAccount{}
	if err := r.Client.Get(ctx, client.ObjectKey{Name: s.own.Spec.Account}, account); err != nil {
		if apierrors.IsNotFound(err) {
			return access.NewProblem(infrav1.AccountNotFoundReason, "there is no OCIAccount %s, which the machine pool is in: create it again", s.own.Spec.Account)
		}
		return fmt.Errorf("reading OCIAccount %s: %w", s.own.Spec.Account, err)
	}
	s.account, s.book = account, r.Pollers.Book(account)
	var err error
	if s.client, err = r.Access.OCI(ctx, account); err != nil {
		return err
	}
	if s.infraCluster == nil {
		if s.own.Status.Pool.ID == "" && s.own.Status.Configuration.ID == "" {
			return nil
		}
		return access.NewProblem(infrav1.TailnetNotFoundReason,
			"the OCIMeshCluster is gone, which says in which tailnet the pool's devices and keys are: remove them there, then this object's finalizer")
	}
	s.tailnet = &infrav1.Tailnet{}
	name := s.infraCluster.Spec.TailnetRef.Name
	if err := r.Client.Get(ctx, client.ObjectKey{Name: name}, s.tailnet); err != nil {
		if apierrors.IsNotFound(err) {
			return access.NewProblem(infrav1.TailnetNotFoundReason, "there is no Tailnet %s: create it again", name)
		}
		return fmt.Errorf("reading Tailnet %s: %w", name, err)
	}
	s.joins, err = r.Access.TailnetClient(ctx, s.tailnet)
	return err
}

// revokeKeys comes first: nobody is to join any more.
func (r *Reconciler) revokeKeys(ctx context.Context, s *scope) error {
	if s.joins == nil {
		return nil
	}
	if err := s.revokeAllKeysBut(ctx, ""); err != nil {
		return err
	}
	return r.deleteKeySecret(ctx, s)
}

// terminate ends the instance pool, and with it all that it has launched, and waits until it is TERMINATED.
func (r *Reconciler) terminate(ctx context.Context, s *scope) error {
	pools, err := s.client.ListInstancePools(ctx, s.ownTags())
	if err != nil {
		return err
	}
	live := 0
	for _, pool := range pools {
		if pool.State == oci.StateTerminated {
			continue
		}
		live++
		if pool.State == oci.StateTerminating {
			continue
		}
		if err := s.client.TerminateInstancePool(ctx, pool.ID); err != nil && !cloud.IsKind(err, cloud.Conflict, cloud.NotFoundOrUnauthorized) {
			return err
		}
	}
	s.book.Hurry()
	switch {
	case live > 0:
		// The machines' objects are deleted meanwhile.
		s.Deletion = access.NewProblem(infrav1.WaitingForTerminationReason, "Waiting for the instance pool to be TERMINATED")
		s.Requeue(s.Progress)
	case len(pools) == 0 && s.own.Status.Configuration.ID != "" && s.now.Sub(r.memory.searchedSince(s.own.UID, s.now)) < settlingPasses*s.Progress:
		return access.NewProblem(infrav1.WaitingForTerminationReason, "the instance pool's creation may be under way, it is looked for once more")
	}
	return nil
}

// deleteMachines deletes the Machines of all instances and waits until their objects are gone. An object without a Machine is deleted
// itself.
func (r *Reconciler) deleteMachines(ctx context.Context, s *scope) error {
	if err := r.listMachines(ctx, s); err != nil {
		return err
	}
	for i := range s.machines {
		object := &s.machines[i]
		machine := &clusterv1.Machine{}
		err := r.Client.Get(ctx, client.ObjectKeyFromObject(object), machine)
		switch {
		case err == nil:
			err = r.Client.Delete(ctx, machine)
		case apierrors.IsNotFound(err):
			err = r.Client.Delete(ctx, object)
		}
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("deleting machine %s: %w", object.Name, err)
		}
	}
	if len(s.machines) > 0 && s.Deletion == nil {
		s.Deletion = access.NewProblem(infrav1.WaitingForTerminationReason, "Waiting for %d machines of the pool to be gone", len(s.machines))
	}
	if s.Deletion != nil {
		s.Stop()
		s.Requeue(s.Progress)
	}
	return nil
}

// remains takes away what outlived pool and machines: instances that were never seen or left the pool, their devices, volumes and
// configurations.
func (r *Reconciler) remains(ctx context.Context, s *scope) error {
	instances, err := s.client.ListInstances(ctx)
	if err != nil {
		return err
	}
	for _, instance := range instances {
		if !instance.HasTags(s.ownTags()) {
			continue
		}
		gone, err := remains.EndInstance(ctx, s.client, instance)
		if err != nil {
			return err
		}
		if !gone {
			return access.NewProblem(infrav1.WaitingForTerminationReason, "Waiting for instance %s, which is %s, to be TERMINATED", instance.ID, instance.State)
		}
		if s.joins != nil {
			claim, proven := s.deviceClaim(instance)
			if !proven {
				continue
			}
			statuses := devices.Statuses{Client: r.Client, Others: poolmachine.DeviceKinds()}
			if err := remains.LeaveTailnet(ctx, s.joins, statuses, devices.Claimant{Object: s.own, Tailnet: s.tailnet.Name}, claim); err != nil {
				return err
			}
		}
	}
	gone, err := remains.RemoveVolumes(ctx, s.client, s.identity, nil)
	if err != nil {
		return err
	}
	if !gone {
		return access.NewProblem(infrav1.WaitingForTerminationReason, "Waiting for data volumes of the pool to be gone")
	}
	configurations, err := s.client.ListInstanceConfigurations(ctx, s.ownTags())
	if err != nil {
		return err
	}
	for _, configuration := range configurations {
		err := s.client.DeleteInstanceConfiguration(ctx, configuration.ID)
		if err != nil && !cloud.IsKind(err, cloud.NotFoundOrUnauthorized) {
			return err
		}
	}
	return nil
}

// joinTimeout bounds for how long after its launch an instance is looked for in the tailnet.
const joinTimeout = 20 * time.Minute

// deviceClaim is what is known of the device of an instance that carries the pool's tags and that
// no object stood for: an object has removed the device, and what has its name now is somebody
// else's.
func (s *scope) deviceClaim(instance oci.Instance) (ownership.DeviceClaim, bool) {
	_, proven := s.poolOwner().Tagged(instance.ID, instance.Tags)
	proven = proven && !slices.ContainsFunc(s.own.Status.Instances, func(i expv1.PoolInstanceStatus) bool {
		return i.ProviderID == providerIDPrefix+instance.ID
	})
	return ownership.DeviceClaim{
		Hostname: cloudinit.InstanceHostname(s.prefix, instance.ID), Tags: s.tailnet.Spec.NodeTags,
		Launched: instance.CreatedAt, JoinTimeout: joinTimeout,
	}, proven
}

// release lets the object go: nothing is left that it stood for.
func (r *Reconciler) release(ctx context.Context, s *scope) error {
	controllerutil.RemoveFinalizer(s.own, expv1.OCIMeshMachinePoolFinalizer)
	r.memory.forget(s.own.UID)
	ctrl.LoggerFrom(ctx).Info("Nothing is left of the machine pool")
	return nil
}

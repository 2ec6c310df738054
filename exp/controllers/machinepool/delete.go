// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/cloudinit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/exp/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/exp/controllers/poolid"
	"github.com/ocimesh/cluster-api-provider-ocimesh/exp/controllers/poolmachine"
	"github.com/ocimesh/cluster-api-provider-ocimesh/exp/controllers/remains"
)

// settlingPasses is for how many intervals of progress a search without result is repeated: a list
// of OCI's may not show yet what was just made.
const settlingPasses = 3

// connectToDelete finds account and tailnet, whatever their state. Without them nothing can be
// proven gone.
func (r *Reconciler) connectToDelete(ctx context.Context, s *scope) error {
	account := &infrav1.OCIAccount{}
	if err := r.Client.Get(ctx, client.ObjectKey{Name: s.own.Spec.Account}, account); err != nil {
		if apierrors.IsNotFound(err) {
			return access.NewProblem(infrav1.AccountNotFoundReason, "OCIAccount %s, which the machine pool is in, does not exist: create it again", s.own.Spec.Account)
		}
		return fmt.Errorf("reading OCIAccount %s: %w", s.own.Spec.Account, err)
	}
	s.account, s.book = account, r.Pollers.Book(account)
	var err error
	if s.client, err = r.Access.OCI(ctx, account); err != nil {
		return err
	}
	if s.infraCluster == nil {
		// What is in OCI ends all the same.
		return nil
	}
	s.tailnet = &infrav1.Tailnet{}
	name := s.infraCluster.Spec.TailnetRef.Name
	if err := r.Client.Get(ctx, client.ObjectKey{Name: name}, s.tailnet); err != nil {
		if apierrors.IsNotFound(err) {
			return access.NewProblem(infrav1.TailnetNotFoundReason, "Tailnet %s does not exist: create it again", name)
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
	if err := tailnetnode.RevokeKeys(ctx, s.joins, s.owner, time.Now(), ""); err != nil {
		return err
	}
	return r.deleteKeySecret(ctx, s)
}

// ownPool is an instance pool that is proven to be the machine pool's.
type ownPool struct {
	oci.InstancePool
	proof ownership.Proof
}

// findPools finds the instance pools that have the tags, and the one that is recorded.
func (r *Reconciler) findPools(ctx context.Context, s *scope) error {
	listed, err := s.client.ListInstancePools(ctx, s.owner.Tags())
	if err != nil {
		return err
	}
	recorded := s.own.Status.Pool.ID
	if recorded != "" && !slices.ContainsFunc(listed, func(p oci.InstancePool) bool { return p.ID == recorded }) {
		pool, exists, err := observe(ctx, s.client, recorded)
		if err != nil {
			return err
		}
		if exists {
			listed = append(listed, pool)
		}
	}
	for _, pool := range listed {
		if proof, proven := poolid.Prove(s.owner, ownership.Recorded(s.own.Status.Pool.ID), pool.ID, pool.Tags); proven {
			s.pools = append(s.pools, ownPool{pool, proof})
		}
	}
	return nil
}

// recordVolumes records, before the end of the pool is asked for, which data volumes go with it,
// and ends the pass. It is done anew if the end is not under way for long: somebody may have
// detached a volume meanwhile, to rescue it.
func (r *Reconciler) recordVolumes(ctx context.Context, s *scope) error {
	leaving := &s.own.Status.Leaving
	stays := slices.ContainsFunc(s.pools, func(p ownPool) bool { return !isEnding(p.State) })
	if remains.IsRecent(*leaving, s.now) || !leaving.RecordedAt.IsZero() && !stays {
		return nil
	}
	all, err := s.client.ListInstances(ctx)
	if err != nil {
		return err
	}
	_, err = r.record(ctx, s, staying(instance.Of(s.owner, all)))
	return err
}

// staying are the OCIDs of the instances that are not about to go.
func staying(instances []instance.Own) []string {
	var ids []string
	for _, own := range instances {
		if !isEnding(own.State) {
			ids = append(ids, own.ID)
		}
	}
	return ids
}

// record records the data volumes that go with the instances, and ends the pass if that is anything
// new.
func (r *Reconciler) record(ctx context.Context, s *scope, ids []string) (written bool, err error) {
	var attachments []oci.VolumeAttachment
	if len(ids) > 0 {
		if attachments, err = s.client.AllDataVolumeAttachments(ctx); err != nil {
			return false, err
		}
	}
	recorded, err := remains.Leaving(ctx, s.client, attachments, ids, s.owner.Tags(), s.now)
	if err != nil {
		return false, err
	}
	known := remains.IsKnown(s.own.Status.Leaving, recorded)
	s.own.Status.Leaving = recorded
	if known {
		return false, nil
	}
	s.Deletion = access.NewProblem(infrav1.WaitingForTerminationReason, "Recorded %d data volumes that go with the pool", len(recorded.VolumeIDs))
	s.Stop()
	s.Requeue(time.Second)
	return true, nil
}

func isEnding(state oci.LifecycleState) bool {
	return state == oci.StateTerminating || state == oci.StateTerminated
}

// terminate ends the instance pool, and with it all that it has launched, and waits until it is
// TERMINATED.
func (r *Reconciler) terminate(ctx context.Context, s *scope) error {
	live := 0
	for _, pool := range s.pools {
		if pool.State == oci.StateTerminated {
			continue
		}
		live++
		if pool.State == oci.StateTerminating {
			continue
		}
		if err := s.client.TerminateInstancePool(ctx, pool.proof); err != nil && !cloud.IsKind(err, cloud.Conflict, cloud.NotFoundOrUnauthorized) {
			return err
		}
	}
	s.book.Hurry()
	if live == 0 {
		// Nothing is launched any more: what is left counts as polls show it.
		s.own.Status.Pool.Size = new(int32)
	}
	switch {
	case live > 0:
		// The machines' objects are deleted meanwhile.
		s.Deletion = access.NewProblem(infrav1.WaitingForTerminationReason, "Waiting for the instance pool to be TERMINATED")
		s.Requeue(s.Intervals.Progress)
	case len(s.pools) == 0 && s.own.Status.Configuration.ID != "" && s.now.Sub(r.memory.searchedSince(s.own.UID, s.now)) < settlingPasses*s.Intervals.Progress:
		return access.NewProblem(infrav1.WaitingForTerminationReason, "The instance pool may be being created: looking for it once more")
	}
	return nil
}

// deleteMachines deletes the Machines of all instances and waits until their objects are gone. An
// object without a Machine is deleted itself.
func (r *Reconciler) deleteMachines(ctx context.Context, s *scope) error {
	if err := r.listMachines(ctx, s); err != nil {
		return err
	}
	for i := range s.machines {
		object := &s.machines[i]
		machine := &clusterv1.Machine{}
		err := r.Client.Get(ctx, client.ObjectKeyFromObject(object), machine)
		switch {
		case err == nil && poolid.StandsFor(machine, object):
			err = r.Client.Delete(ctx, machine)
		case err == nil, apierrors.IsNotFound(err):
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
		s.Requeue(s.Intervals.Progress)
	}
	return nil
}

// remains takes away what outlived pool and machines: instances that were never seen or left the
// pool, their devices, volumes and configurations.
func (r *Reconciler) remains(ctx context.Context, s *scope) error {
	all, err := s.client.ListInstances(ctx)
	if err != nil {
		return err
	}
	own := instance.Of(s.owner, all)
	if ids := staying(own); len(ids) > 0 && !remains.IsRecent(s.own.Status.Leaving, s.now) {
		if written, err := r.record(ctx, s, ids); err != nil || written {
			return err
		}
	}
	for _, one := range own {
		removal, err := instance.End(ctx, s.client, one.Proof, one.State)
		if err != nil {
			return err
		}
		if !removal.Gone {
			return access.NewProblem(infrav1.WaitingForTerminationReason, "Waiting for instance %s, which is %s, to be TERMINATED", one.ID, one.State)
		}
		if s.joins != nil {
			claim, orphaned := s.deviceClaim(one.Instance)
			if !orphaned {
				continue
			}
			statuses := tailnetnode.Statuses{Client: r.Client, Others: poolmachine.DeviceKinds()}
			if err := remains.LeaveTailnet(ctx, s.joins, statuses, tailnetnode.Claimant{Object: s.own, Tailnet: s.tailnet.Name}, claim); err != nil {
				return err
			}
		}
	}
	if err := r.removeVolumes(ctx, s, own); err != nil {
		return err
	}
	return s.deleteConfigurationsBut(ctx, "")
}

// removeVolumes deletes the recorded data volumes that OCI has left, and tells of others with the
// pool's tags.
func (r *Reconciler) removeVolumes(ctx context.Context, s *scope, instances []instance.Own) error {
	volumes := remains.Volumes{Told: func(v oci.Volume) bool { return v.HasTags(s.owner.Tags()) }}
	for i := range s.own.Status.Leaving.VolumeIDs {
		volumes.Own = append(volumes.Own, ownership.Recorded(s.own.Status.Leaving.VolumeIDs[i]))
	}
	for _, own := range instances {
		volumes.Instances = append(volumes.Instances, own.ID)
	}
	gone, left, err := remains.RemoveVolumes(ctx, s.client, volumes)
	if err != nil {
		return err
	}
	if !gone {
		return access.NewProblem(infrav1.WaitingForTerminationReason, "Waiting for data volumes of the pool to be gone")
	}
	s.left = left
	return nil
}

// joinTimeout bounds for how long after its launch an instance is looked for in the tailnet.
const joinTimeout = 20 * time.Minute

// deviceClaim is what is known of the device of an instance of the pool. orphaned says that no
// object stood for the instance: an object has removed the device, and what has its name now is
// somebody else's.
func (s *scope) deviceClaim(instance oci.Instance) (claim ownership.DeviceClaim, orphaned bool) {
	orphaned = !slices.ContainsFunc(s.own.Status.Instances, func(i expv1.PoolInstanceStatus) bool {
		return i.ProviderID == providerIDPrefix+instance.ID
	})
	return ownership.DeviceClaim{
		Hostname: cloudinit.InstanceHostname(s.prefix, instance.ID), Tags: s.tailnet.Spec.NodeTags,
		Launched: instance.CreatedAt, JoinTimeout: joinTimeout,
	}, orphaned
}

// release lets the object go: nothing is left that it stood for.
func (r *Reconciler) release(ctx context.Context, s *scope) error {
	if s.infraCluster == nil && (s.own.Status.Pool.ID != "" || s.own.Status.Configuration.ID != "") {
		return access.NewProblem(infrav1.TailnetNotFoundReason,
			"The OCIMeshCluster is gone, which says in which tailnet the pool's devices and keys are: remove them there, then this object's finalizer")
	}
	controllerutil.RemoveFinalizer(s.own, expv1.OCIMeshMachinePoolFinalizer)
	r.memory.forget(s.own.UID)
	if len(s.left) > 0 && r.Recorder != nil {
		r.Recorder.Eventf(s.own, nil, corev1.EventTypeWarning, remains.VolumesLeftReason, "Delete", "%s", remains.Left(s.account.Name, s.left))
	}
	ctrl.LoggerFrom(ctx).Info("Nothing is left of the machine pool")
	return nil
}

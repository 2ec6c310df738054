// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util"
	"sigs.k8s.io/cluster-api/util/annotations"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/cloudinit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instancecache"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
	"github.com/ocimesh/cluster-api-provider-ocimesh/exp/controllers/poolid"
)

// scope is what the phases of one pass know.
type scope struct {
	phases.Pass
	own *expv1.OCIMeshMachinePool
	now time.Time

	// machinePool owns own. It, cluster and infraCluster may be nil while own is being deleted.
	machinePool  *clusterv1.MachinePool
	cluster      *clusterv1.Cluster
	infraCluster *infrav1.OCIMeshCluster

	// owner is own as the owner of what is made for it, identity the UID that it was first seen
	// with; the names of all that is made for it begin with prefix. Set by Reconcile.
	owner            ownership.Owner
	identity, prefix string

	// account, client, cache and network are the account's, tailnet is the cluster's. Set by
	// connect and prerequisites; network and tailnet may be nil while own is being deleted.
	account *infrav1.OCIAccount
	client  *oci.Client
	cache   *instancecache.Cache
	network *infrav1.ClusterAccountStatus
	tailnet *infrav1.Tailnet
	joins   *tailnet.Client

	// found is the instance pool; nil if there is none. proof says that it is own's. unsettled says
	// that another management cluster may still mind our claim to it. Set by findPool and hold.
	found     *oci.InstancePool
	proof     ownership.Proof
	unsettled bool
	// refused is why OCI takes no change of the pool in this pass. Set by isRefused.
	refused string
	// outdated says that the recorded configuration is not the wanted one, which is made once the
	// pool can take it. Set by configuration.
	outdated bool
	// pools are own's while it is being deleted. Set by findPools.
	pools []ownPool
	// left are the OCIDs of data volumes that stay after own is gone. Set by remains.
	left []string
	// parts are what instances to come are made of. Set by grantParts.
	parts parts
	// granted is how many instances of those that are wanted the account has room for. Set by
	// scale.
	granted int
	// live are the instances that stay, machines the objects of all. Set by instances.
	live     []oci.Instance
	machines []expv1.OCIMeshMachinePoolMachine
	// configurationBefore and stateBefore are what was recorded when the pass began.
	configurationBefore expv1.InstanceConfigurationStatus
	stateBefore         string
	// key is what instances to come join with. Its value is empty if it is not known. Set by
	// tailnetKey.
	key joinKey
	// externalCloudProvider is the note of userdata.ExternalCloudProvider. Set by configuration.
	externalCloudProvider string
	// absent are the agents that the user data has no room for; told says that this is known. Set
	// by configuration.
	absent []cloudinit.Absence
	told   bool
}

// newScope reads the objects around own; nil if there is nothing to do before somebody else has
// done his part.
func (r *Reconciler) newScope(ctx context.Context, own *expv1.OCIMeshMachinePool) (*scope, error) {
	options := r.Options.withDefaults()
	s := &scope{own: own, now: options.Clock(), Pass: phases.Pass{Intervals: options.Intervals}}
	s.configurationBefore, s.stateBefore = own.Status.Configuration, own.Status.Pool.State
	deleting := !own.DeletionTimestamp.IsZero()
	if deleting && !controllerutil.ContainsFinalizer(own, expv1.OCIMeshMachinePoolFinalizer) {
		return nil, nil
	}
	var err error
	if s.machinePool, err = util.GetOwnerMachinePool(ctx, r.Client, own.ObjectMeta); client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("reading the owner MachinePool: %w", err)
	}
	if s.machinePool == nil && !deleting {
		ctrl.LoggerFrom(ctx).V(4).Info("Waiting for the MachinePool controller to set the owner reference")
		return nil, nil
	}
	name := own.Labels[clusterv1.ClusterNameLabel]
	if s.machinePool != nil {
		name = s.machinePool.Spec.ClusterName
	}
	cluster := &clusterv1.Cluster{}
	err = r.Client.Get(ctx, client.ObjectKey{Namespace: own.Namespace, Name: name}, cluster)
	switch {
	case err == nil:
		s.cluster = cluster
	case deleting && apierrors.IsNotFound(err):
		return s, nil
	default:
		return nil, fmt.Errorf("reading the Cluster: %w", err)
	}
	infra := &infrav1.OCIMeshCluster{}
	err = r.Client.Get(ctx, client.ObjectKey{Namespace: own.Namespace, Name: s.cluster.Spec.InfrastructureRef.Name}, infra)
	switch {
	case err == nil:
		s.infraCluster = infra
	case !apierrors.IsNotFound(err):
		return nil, fmt.Errorf("reading the OCIMeshCluster: %w", err)
	}
	return s, nil
}

func (o Options) withDefaults() Options {
	set := func(value *time.Duration, otherwise time.Duration) {
		if *value <= 0 {
			*value = otherwise
		}
	}
	o.Intervals = poolid.Intervals(o.Intervals)
	set(&o.KeyLife, tailnet.MaxReusableKeyExpiry)
	if o.Clock == nil {
		o.Clock = time.Now
	}
	return o
}

// wanted is how many instances the pool should have: the MachinePool's replicas, unless something
// else than Cluster API manages them, which then is OCI's pool itself. A pool is made empty, which
// is nobody's wish yet.
func (s *scope) wanted() int {
	switch {
	case s.external() && s.sized():
		return s.found.Size
	case s.machinePool.Spec.Replicas == nil:
		return 1
	}
	return int(*s.machinePool.Spec.Replicas)
}

func (s *scope) external() bool {
	return annotations.ReplicasManagedByExternalAutoscaler(s.machinePool)
}

// sized says that the pool was given a size, or shows it after a move.
func (s *scope) sized() bool {
	return s.found != nil && (s.found.Size > 0 || ptr.Deref(s.own.Status.Pool.Sized, false))
}

// idle says that the pool neither has instances nor should get any before this provider says so:
// there is nobody who would join.
func (s *scope) idle() bool {
	return !s.external() && s.found != nil && s.found.Size == 0 && len(s.live) == 0 && s.wanted() == 0
}

// isUpToDate tells whether the pool launches what is wanted now. What an older configuration
// launches may never join: the bootstrap token and the key in it expire.
func (s *scope) isUpToDate() bool {
	return !s.outdated && s.found.ConfigurationID == s.own.Status.Configuration.ID
}

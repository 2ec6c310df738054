// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package poolmachine

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instancecache"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
	"github.com/ocimesh/cluster-api-provider-ocimesh/exp/controllers/poolid"
)

// scope is what the phases of one pass know.
type scope struct {
	phases.Pass
	own *expv1.OCIMeshMachinePoolMachine
	now time.Time
	// instanceID is the OCID of the instance that own says it is about.
	instanceID string

	// pool is the machine's, cluster and infraCluster are what it is a part of. They may be nil
	// while own is being deleted.
	pool         *expv1.OCIMeshMachinePool
	cluster      *clusterv1.Cluster
	infraCluster *infrav1.OCIMeshCluster

	// account, client, cache and the tailnet's. Set by connect and connectTailnet; they may be nil
	// while own is being deleted.
	account *infrav1.OCIAccount
	client  *oci.Client
	cache   *instancecache.Cache
	tailnet *infrav1.Tailnet
	joins   *tailnet.Client

	// proof says that the instance is own's. Nothing is done to one that is not. Set by look and
	// observeInstance.
	proof ownership.Proof
	// instance is what is known of the instance; nil if it is gone. observed is its device in the
	// tailnet. Set by look, observeInstance and observeDevice.
	instance *oci.Instance
	observed tailnetnode.Observed
	// left are the OCIDs of data volumes that stay after own is gone. Set by removeVolumes.
	left []string
}

// newScope reads the objects around own; nil if there is nothing to do.
func (r *Reconciler) newScope(ctx context.Context, own *expv1.OCIMeshMachinePoolMachine) (*scope, error) {
	options := r.Options.withDefaults()
	s := &scope{
		own: own, now: options.Clock(), Pass: phases.Pass{Intervals: options.Intervals},
		instanceID: cloud.InstanceIDOf(own.Spec.ProviderID),
	}
	deleting := !own.DeletionTimestamp.IsZero()
	if deleting && !controllerutil.ContainsFinalizer(own, expv1.OCIMeshMachinePoolMachineFinalizer) {
		return nil, nil
	}
	cluster := &clusterv1.Cluster{}
	switch found, err := r.find(ctx, own, own.Labels[clusterv1.ClusterNameLabel], cluster); {
	case err != nil || (!found && !deleting):
		return nil, err
	case found:
		s.cluster = cluster
		infra := &infrav1.OCIMeshCluster{}
		found, err := r.find(ctx, own, cluster.Spec.InfrastructureRef.Name, infra)
		if err != nil {
			return nil, err
		}
		if found {
			s.infraCluster = infra
		}
	}
	if name := poolid.NameIn(own); name != "" {
		pool := &expv1.OCIMeshMachinePool{}
		found, err := r.find(ctx, own, name, pool)
		if err != nil {
			return nil, err
		}
		if found {
			s.pool = pool
		}
	}
	if s.pool == nil && !deleting {
		return nil, nil
	}
	return s, nil
}

// find reads an object of own's namespace.
func (r *Reconciler) find(ctx context.Context, own client.Object, name string, into client.Object) (bool, error) {
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: own.GetNamespace(), Name: name}, into)
	switch {
	case apierrors.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("reading %T %s: %w", into, name, err)
	}
	return true, nil
}

// recorded is the instance in status. It counts only in the account recorded with it.
func (s *scope) recorded() ownership.Proof {
	if s.own.Status.Account == "" || s.account == nil || s.account.Name != s.own.Status.Account {
		return ownership.Proof{}
	}
	return ownership.Recorded(s.own.Status.Instance.ID)
}

// prove tells whether an instance is own's. Its tags have to be those of the pool, and own's name
// has to follow from pool and instance: a copy of an object stands for nothing. If the pool is gone
// the record has to do.
func (s *scope) prove(id string, tags map[string]string) (ownership.Proof, bool) {
	recorded := s.recorded()
	if s.pool == nil {
		return recorded, !recorded.IsZero() && recorded.ID() == id
	}
	owner := poolid.Owner(s.pool)
	if recorded.IsZero() && s.own.Name != poolid.InstanceName(owner, id) {
		return ownership.Proof{}, false
	}
	return poolid.Prove(owner, recorded, id, tags)
}

// accountName is where the instance is: as recorded, or as the pool says. Empty if nothing says so.
func (s *scope) accountName() string {
	switch {
	case s.own.Status.Account != "":
		return s.own.Status.Account
	case s.pool != nil:
		return s.pool.Spec.Account
	}
	return ""
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package poolmachine

import (
	"context"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/feed"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/exp/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/exp/controllers/pass"
)

// providerIDPrefix makes provider IDs of OCIDs.
const providerIDPrefix = "oci://"

// scope is what the phases of one pass know.
type scope struct {
	pass.Pass
	own *expv1.OCIMeshMachinePoolMachine
	now time.Time
	// instanceID is the instance's OCID.
	instanceID string

	// pool is the machine's, cluster and infraCluster are what it is a part of. They may be nil while own is being deleted.
	pool         *expv1.OCIMeshMachinePool
	cluster      *clusterv1.Cluster
	infraCluster *infrav1.OCIMeshCluster

	// account, client, book and the tailnet's. Set by connect.
	account *infrav1.OCIAccount
	client  *oci.Client
	book    *feed.Book
	tailnet *infrav1.Tailnet
	joins   *tailnet.Client

	// instance is what is known of the instance; nil if it is gone. device is its in the tailnet; nil if it has not joined.
	instance *oci.Instance
	device   *tailnet.Device
	// deviceWarning is what is going to take the device from the tailnet.
	deviceWarning string
}

// with makes a phase of a method.
func (s *scope) with(run func(context.Context, *scope) error) func(context.Context) error {
	return func(ctx context.Context) error { return run(ctx, s) }
}

// newScope reads the objects around own; nil if there is nothing to do.
func (r *Reconciler) newScope(ctx context.Context, own *expv1.OCIMeshMachinePoolMachine) (*scope, error) {
	options := r.Options.withDefaults()
	s := &scope{
		own: own, now: options.Clock(), Pass: pass.Pass{Poll: options.PollInterval, Progress: options.ProgressInterval},
		instanceID: strings.TrimPrefix(own.Spec.ProviderID, providerIDPrefix),
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
	for _, owner := range own.OwnerReferences {
		if owner.Kind != "OCIMeshMachinePool" {
			continue
		}
		pool := &expv1.OCIMeshMachinePool{}
		found, err := r.find(ctx, own, owner.Name, pool)
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

// connect finds account and tailnet, whatever their state: the machine is there.
func (r *Reconciler) connect(ctx context.Context, s *scope) error {
	if s.pool == nil || s.infraCluster == nil {
		return access.NewProblem(infrav1.AccountNotFoundReason,
			"the OCIMeshMachinePool or the OCIMeshCluster is gone, which say where instance and device are: remove these, then this object's finalizer")
	}
	s.account, s.tailnet = &infrav1.OCIAccount{}, &infrav1.Tailnet{}
	for reason, object := range map[string]struct {
		name string
		into client.Object
	}{
		infrav1.AccountNotFoundReason: {s.pool.Spec.Account, s.account},
		infrav1.TailnetNotFoundReason: {s.infraCluster.Spec.TailnetRef.Name, s.tailnet},
	} {
		err := r.Client.Get(ctx, client.ObjectKey{Name: object.name}, object.into)
		switch {
		case apierrors.IsNotFound(err):
			return access.NewProblem(reason, "there is no account or tailnet %s, which the machine is in: create it again", object.name)
		case err != nil:
			return fmt.Errorf("reading %T %s: %w", object.into, object.name, err)
		}
	}
	s.book = r.Pollers.Book(s.account)
	var err error
	if s.client, err = r.Access.OCI(ctx, s.account); err != nil {
		return err
	}
	s.joins, err = r.Access.TailnetClient(ctx, s.tailnet)
	return err
}

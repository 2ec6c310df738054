// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/annotations"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/identity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/index"
)

// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=ocimeshmachinepools,verbs=get;list;watch
// +kubebuilder:rbac:groups=cluster.x-k8s.io,resources=clusters,verbs=get;list;watch

// owners are the objects that an account's instances may belong to.
type owners struct {
	// byIdentity has the objects of an identity: users can write that, so there may be several.
	byIdentity map[string][]ownership.Owner
	// recorded are the instances in statuses, which users cannot write.
	recorded map[string]bool
}

func (o *owners) add(owner ownership.Owner) {
	o.byIdentity[owner.Identity()] = append(o.byIdentity[owner.Identity()], owner)
}

func (o *owners) has(instance oci.Instance) bool {
	if o.recorded[instance.ID] {
		return true
	}
	for _, tag := range []string{infrav1.MachineUIDTag, infrav1.MachinePoolUIDTag} {
		if slices.ContainsFunc(o.byIdentity[instance.Tags[tag]], func(owner ownership.Owner) bool { return owns(owner, instance) }) {
			return true
		}
	}
	return false
}

func owns(owner ownership.Owner, instance oci.Instance) bool {
	_, proven := owner.Tagged(instance.ID, instance.Tags)
	return proven
}

// ownersIn are the machines in the account, by the cache, and all pools if an instance is of one.
// Pools are few, and are read from the API server since they are behind a feature gate: there may
// be no cache of them.
func (r *Reconciler) ownersIn(ctx context.Context, s *scope, instances []oci.Instance) (*owners, error) {
	all := &owners{byIdentity: map[string][]ownership.Owner{}, recorded: map[string]bool{}}
	machines := &infrav1.OCIMeshMachineList{}
	err := r.readerFor(s).List(ctx, machines, client.MatchingFields{index.MachineByAccount: s.account.Name}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil, fmt.Errorf("listing OCIMeshMachines: %w", err)
	}
	for i := range machines.Items {
		machine := &machines.Items[i]
		all.add(identity.OfMachine(machine))
		all.recorded[machine.Status.Instance.ID] = true
	}
	pooled := func(instance oci.Instance) bool { return instance.Tags[infrav1.MachinePoolUIDTag] != "" }
	if !slices.ContainsFunc(instances, pooled) {
		return all, nil
	}
	pools := metadataList(poolKind)
	if err := r.uncached().List(ctx, pools); err != nil {
		return nil, fmt.Errorf("listing OCIMeshMachinePools: %w", err)
	}
	for i := range pools.Items {
		pool := &pools.Items[i]
		all.add(ownership.MachinePool(identity.Of(pool), pool.Namespace, pool.Name))
	}
	return all, nil
}

const (
	machineKind = "OCIMeshMachine"
	// poolKind is a name here, since nothing but main may import exp.
	poolKind = "OCIMeshMachinePool"
)

func metadataList(kind string) *metav1.PartialObjectMetadataList {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(infrav1.GroupVersion.WithKind(kind + "List"))
	return list
}

// uncached reads from the API server itself.
func (r *Reconciler) uncached() client.Reader {
	if r.Reader == nil {
		return r.Client
	}
	return r.Reader
}

// hasObject asks the API server whether an instance belongs to a machine: one that was just moved
// here is placed nowhere yet. While its cluster is paused it may be on its way here or away, and is
// left alone.
func (r *Reconciler) hasObject(ctx context.Context, instance oci.Instance) (bool, error) {
	paused, err := r.isPaused(ctx, instance)
	if err != nil || paused {
		return paused, err
	}
	if instance.Tags[infrav1.MachineUIDTag] == "" {
		// All pools were read from the API server.
		return false, nil
	}
	tag := instance.Tags[infrav1.MachineNameTag]
	if len(tag) == maxNameTag && strings.Contains(tag, "~") {
		return r.hasMachineOfShortName(ctx, instance)
	}
	key, valid := keyOf(tag)
	if !valid {
		return false, nil
	}
	machine := &metav1.PartialObjectMetadata{}
	machine.SetGroupVersionKind(infrav1.GroupVersion.WithKind(machineKind))
	if err := r.uncached().Get(ctx, key, machine); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	return owns(ownership.Machine(identity.Of(machine), machine.Namespace, machine.Name), instance), nil
}

// hasMachineOfShortName looks through all machines: a name that a tag has no room for is not in it.
func (r *Reconciler) hasMachineOfShortName(ctx context.Context, instance oci.Instance) (bool, error) {
	machines := metadataList(machineKind)
	if err := r.uncached().List(ctx, machines); err != nil {
		return false, fmt.Errorf("listing OCIMeshMachines: %w", err)
	}
	return slices.ContainsFunc(machines.Items, func(machine metav1.PartialObjectMetadata) bool {
		return owns(ownership.Machine(identity.Of(&machine), machine.Namespace, machine.Name), instance)
	}), nil
}

// keyOf reads namespace/name. Whoever may write tags may write anything there.
func keyOf(tag string) (key client.ObjectKey, valid bool) {
	namespace, name, _ := strings.Cut(tag, "/")
	valid = len(validation.IsDNS1123Label(namespace)) == 0 && len(validation.IsDNS1123Subdomain(name)) == 0
	return client.ObjectKey{Namespace: namespace, Name: name}, valid
}

// isPaused tells whether the cluster that the instance is tagged with is here and paused:
// clusterctl pauses what it moves, in the source until it is gone and in the target until all of it
// is there (Cluster API's book, "clusterctl move").
func (r *Reconciler) isPaused(ctx context.Context, instance oci.Instance) (bool, error) {
	key, valid := keyOf(instance.Tags[infrav1.ClusterNameTag])
	if !valid {
		return false, nil
	}
	infra := &infrav1.OCIMeshCluster{}
	if err := r.uncached().Get(ctx, key, infra); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	if !owns(identity.OfCluster(infra), instance) {
		return false, nil
	}
	if annotations.HasPaused(infra) {
		return true, nil
	}
	cluster := &clusterv1.Cluster{}
	name := client.ObjectKey{Namespace: infra.Namespace, Name: infra.Labels[clusterv1.ClusterNameLabel]}
	if name.Name == "" {
		return false, nil
	}
	if err := r.uncached().Get(ctx, name, cluster); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	return ptr.Deref(cluster.Spec.Paused, false), nil
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package poolid says what is a machine pool's: what it is called in OCI and in the tailnet, and
// which things and objects are its own.
package poolid

import (
	"context"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/cloudinit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/identity"
)

const (
	// Kind is the pools' kind.
	Kind = "OCIMeshMachinePool"
	// MachineKind is that of the objects that stand for a pool's instances.
	MachineKind = "OCIMeshMachinePoolMachine"

	// uidLength is how much of the UID names hold: 32 random bits.
	uidLength = 8
)

// Owner is the pool as an owner of what is made for it.
func Owner(pool *expv1.OCIMeshMachinePool) ownership.Owner {
	return ownership.MachinePool(identity.Of(pool), pool.Namespace, pool.Name)
}

// Prefix begins the names of a pool's instances in the tailnet, so that no other pool of any
// namespace or management cluster has one of them.
func Prefix(owner ownership.Owner) string {
	suffix := "-" + strings.ReplaceAll(owner.Identity(), "-", "")
	suffix = suffix[:min(len(suffix), 1+uidLength)]
	label := strings.ReplaceAll(owner.Name(), ".", "-")
	label = label[:min(len(label), cloudinit.MaxHostnamePrefix-len(suffix))]
	return strings.TrimRight(label, "-") + suffix
}

// InstanceName is the name of an instance in the tailnet, and of its object.
func InstanceName(owner ownership.Owner, instanceID string) string {
	return cloudinit.InstanceHostname(Prefix(owner), instanceID)
}

// Prove proves a thing by its tags, or else by a record in our own status. A record counts for
// nothing if the tags name a pool of another namespace or name: before tags decided, a forged
// identity could put somebody else's pool into a status.
func Prove(owner ownership.Owner, recorded ownership.Proof, id string, tags map[string]string) (ownership.Proof, bool) {
	if proof, proven := owner.Tagged(id, tags); proven {
		return proof, true
	}
	if named := tags[infrav1.MachinePoolNameTag]; named != "" && named != owner.Tags()[infrav1.MachinePoolNameTag] {
		return ownership.Proof{}, false
	}
	return recorded, !recorded.IsZero() && recorded.ID() == id
}

// Observe returns an instance pool. OCI answers 404 for what is gone and for what may not be seen,
// and the permission for instances shows no pools (OCI documentation, "Details for the Core
// Services"): exists is false only if an authorised list of pools does not show it either.
func Observe(ctx context.Context, c *oci.Client, id string) (pool oci.InstancePool, exists bool, err error) {
	pool, err = c.GetInstancePool(ctx, id)
	if !cloud.IsKind(err, cloud.NotFoundOrUnauthorized) {
		return pool, err == nil, err
	}
	listed, failed := c.ListInstancePools(ctx, nil)
	if failed != nil {
		return oci.InstancePool{}, false, failed
	}
	if slices.ContainsFunc(listed, func(p oci.InstancePool) bool { return p.ID == id && p.State != oci.StateTerminated }) {
		return oci.InstancePool{}, false, err
	}
	return oci.InstancePool{}, false, nil
}

// NameIn is the name of the pool that an object says it belongs to; empty if it names none.
func NameIn(object metav1.Object) string {
	for _, owner := range object.GetOwnerReferences() {
		if owner.Kind == Kind && strings.HasPrefix(owner.APIVersion, expv1.GroupVersion.Group+"/") {
			return owner.Name
		}
	}
	return ""
}

// StandsFor tells whether the Machine is the one of an instance's object. Users name objects as
// they like: a Machine of the same name may be another kind of machine.
func StandsFor(machine *clusterv1.Machine, object *expv1.OCIMeshMachinePoolMachine) bool {
	ref := machine.Spec.InfrastructureRef
	return ref.APIGroup == expv1.GroupVersion.Group && ref.Kind == MachineKind && ref.Name == object.Name
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package loadbalancer

import (
	"context"
	"slices"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

// Becoming is a Membership's Doing while OCI makes the machine a backend.
const Becoming = "adding it as a backend"

// Membership is a control plane's part in the load balancer.
type Membership struct {
	// Name is the backend's, once it is seen in the load balancer.
	Name string
	// Doing is the change to wait for; empty once Name is set.
	Doing string
	// WorkRequestID is to be remembered for the next call.
	WorkRequestID string
	// Failure is the reason of a failed change; else nil.
	Failure *cloud.Error
}

// Join makes the machine a backend of the cluster's load balancer, unless it is one. It does not
// wait: call it again, with the work request of the call before, until the membership has a name.
// id is the load balancer's OCID, if known.
func (a Account) Join(ctx context.Context, owner ownership.Owner, id string, machine oci.Backend, workRequestID string) (Membership, error) {
	found, exists, err := a.find(ctx, owner, id)
	if err != nil {
		return Membership{WorkRequestID: workRequestID}, err
	}
	set, hasSet := found.BackendSets[setName]
	if i := indexOf(set, machine); exists && i >= 0 {
		return Membership{Name: set.Backends[i].Name}, nil
	}
	if workRequestID != "" && exists && found.State == oci.StateUpdating {
		return Membership{Doing: Becoming, WorkRequestID: workRequestID}, nil
	}
	if workRequestID != "" {
		work, err := a.ended(ctx, workRequestID)
		if err != nil {
			return Membership{WorkRequestID: workRequestID}, err
		}
		if !work.Ended {
			return Membership{Doing: Becoming, WorkRequestID: workRequestID}, nil
		}
		// If it did not fail, the load balancer was read just before its end.
		return Membership{Doing: Becoming, Failure: work.Failure}, nil
	}
	own, proven := owner.Tagged(found.ID, found.Tags)
	if !exists || !hasSet || found.State != oci.StateActive || !proven {
		return Membership{Doing: "waiting for the load balancer to be ACTIVE"}, nil
	}
	workRequestID, err = a.CreateBackend(ctx, own, setName, machine)
	if cloud.IsKind(err, cloud.Conflict) {
		// A duplicate, and what is not allowed, are other kinds: waiting would not help.
		return Membership{Doing: "waiting for another change of the load balancer"}, nil
	}
	return Membership{Doing: Becoming, WorkRequestID: workRequestID}, err
}

// Leave takes the machine out of the cluster's load balancer, and tells whether it is out. It does
// not wait: call it again until it is. A load balancer of other owners, one already gone and one
// being deleted have no backends of ours.
func (a Account) Leave(ctx context.Context, owner ownership.Owner, id string, machine oci.Backend) (out bool, err error) {
	found, exists, err := a.find(ctx, owner, id)
	if err != nil {
		return false, err
	}
	set := found.BackendSets[setName]
	i := indexOf(set, machine)
	own, proven := owner.Tagged(found.ID, found.Tags)
	if !exists || i < 0 || found.State == oci.StateDeleting || found.State == oci.StateFailed || !proven {
		return true, nil
	}
	if found.State != oci.StateActive {
		return false, nil
	}
	_, err = a.DeleteBackend(ctx, own, setName, set.Backends[i].Name)
	if cloud.IsKind(err, cloud.Conflict, cloud.NotFoundOrUnauthorized) {
		// Another change is under way, or this one is done: the next call looks.
		return false, nil
	}
	return false, err
}

// Has tells whether the machine is among the backends.
func Has(backends []oci.Backend, machine oci.Backend) bool {
	return indexOf(oci.BackendSet{Backends: backends}, machine) >= 0
}

// indexOf finds the machine by its address or, where the kind of load balancer takes one, by its
// name.
func indexOf(set oci.BackendSet, machine oci.Backend) int {
	return slices.IndexFunc(set.Backends, func(b oci.Backend) bool {
		return (machine.Address.IsValid() && b.Address == machine.Address && b.Port == machine.Port) ||
			(machine.Name != "" && b.Name == machine.Name)
	})
}

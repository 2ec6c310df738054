// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

// lister lists all instances of an account's compartment.
type lister interface {
	ListInstances(ctx context.Context) ([]oci.Instance, error)
}

var _ lister = (*oci.Client)(nil)

// DuplicatedError reports several live instances with the machine's tag.
type DuplicatedError struct {
	// IDs are the instances' OCIDs, sorted.
	IDs []string
}

// Error names the instances and the remedy.
func (e *DuplicatedError) Error() string {
	return fmt.Sprintf("%d live instances carry the machine's tag %s: terminate those that are not its own of %s",
		len(e.IDs), infrav1.MachineUIDTag, strings.Join(e.IDs, ", "))
}

// Own is an instance proven to be an object's.
type Own struct {
	oci.Instance
	// Proof is for the verbs that change or terminate it.
	Proof ownership.Proof
}

// Of are the instances with the owner's tags, oldest first.
func Of(owner ownership.Owner, instances []oci.Instance) []Own {
	var own []Own
	for _, found := range instances {
		if proof, proven := owner.Tagged(found.ID, found.Tags); proven {
			own = append(own, Own{found, proof})
		}
	}
	slices.SortFunc(own, func(a, b Own) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
	return own
}

// Remaining are an owner's instances except TERMINATED ones, oldest first.
func Remaining(owner ownership.Owner, instances []oci.Instance) []Own {
	return slices.DeleteFunc(Of(owner, instances), func(i Own) bool { return i.State == oci.StateTerminated })
}

// Ended tells whether OCI still lists instances of the owner, and all of them as TERMINATED.
func Ended(ctx context.Context, c lister, owner ownership.Owner) (bool, error) {
	all, err := c.ListInstances(ctx)
	if err != nil {
		return false, err
	}
	own := Of(owner, all)
	return len(own) > 0 && !slices.ContainsFunc(own, func(i Own) bool { return i.State != oci.StateTerminated }), nil
}

// Live returns the one adoptable instance among them: neither gone nor about to go. found is false
// if there is none; two are a *DuplicatedError.
func Live(instances []Own) (live Own, found bool, err error) {
	var ids []string
	for _, candidate := range instances {
		if !candidate.State.IsEnding() {
			live = candidate
			ids = append(ids, candidate.ID)
		}
	}
	if len(ids) > 1 {
		slices.Sort(ids)
		return Own{}, false, &DuplicatedError{IDs: ids}
	}
	return live, len(ids) == 1, nil
}

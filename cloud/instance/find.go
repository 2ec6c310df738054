// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"context"
	"fmt"
	"slices"
	"strings"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
)

// lister lists all instances of an account's compartment.
type lister interface {
	ListInstances(ctx context.Context) ([]oci.Instance, error)
}

var _ lister = (*oci.Client)(nil)

// DuplicatedError says that several live instances carry the machine's tag.
type DuplicatedError struct {
	// IDs are the instances' OCIDs, sorted.
	IDs []string
}

// Error names the instances and the remedy.
func (e *DuplicatedError) Error() string {
	return fmt.Sprintf("%d live instances carry the machine's tag %s: terminate those that are not its own of %s",
		len(e.IDs), infrav1.MachineUIDTag, strings.Join(e.IDs, ", "))
}

// Remaining are those of a machine's instances that are not TERMINATED, oldest first. The slice given is used up.
func Remaining(own []oci.Instance) []oci.Instance {
	own = slices.DeleteFunc(own, func(i oci.Instance) bool { return i.State == oci.StateTerminated })
	slices.SortFunc(own, func(a, b oci.Instance) int {
		if order := a.CreatedAt.Compare(b.CreatedAt); order != 0 {
			return order
		}
		return strings.Compare(a.ID, b.ID)
	})
	return own
}

// Ended tells whether all that OCI still lists of the machine is TERMINATED, and that it lists something.
func Ended(ctx context.Context, c lister, machineUID string) (bool, error) {
	own, err := tagged(ctx, c, machineUID)
	if err != nil {
		return false, err
	}
	return len(own) > 0 && !slices.ContainsFunc(own, func(i oci.Instance) bool { return i.State != oci.StateTerminated }), nil
}

func tagged(ctx context.Context, c lister, machineUID string) ([]oci.Instance, error) {
	all, err := c.ListInstances(ctx)
	if err != nil {
		return nil, err
	}
	tag := map[string]string{infrav1.MachineUIDTag: machineUID}
	return slices.DeleteFunc(all, func(i oci.Instance) bool { return !i.HasTags(tag) }), nil
}

// Live returns the one instance among them that can be adopted: it is neither gone nor about to go. found is false if there
// is none; two are a *DuplicatedError.
func Live(instances []oci.Instance) (live oci.Instance, found bool, err error) {
	var ids []string
	for _, candidate := range instances {
		if candidate.State != oci.StateTerminating && candidate.State != oci.StateTerminated {
			live = candidate
			ids = append(ids, candidate.ID)
		}
	}
	if len(ids) > 1 {
		slices.Sort(ids)
		return oci.Instance{}, false, &DuplicatedError{IDs: ids}
	}
	return live, len(ids) == 1, nil
}

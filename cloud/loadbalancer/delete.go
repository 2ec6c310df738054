// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package loadbalancer

import (
	"context"
	"errors"
	"slices"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

// codeIncorrectState is OCI's refusal of a change while another one is under way (OCI documentation, "API Errors").
const codeIncorrectState = "IncorrectState"

// Removal is how far a Remove is.
type Removal struct {
	// Gone is set once it is proven that no load balancer of the cluster is left.
	Gone bool
	// InUse is OCI's message if it refuses the deletion for a reason that does not pass by itself.
	InUse string
}

// Remove deletes the cluster's load balancer, and all others with its tags. It does not wait: call it again until it is Gone. id is
// the one that was seen last, empty if none was: the proof that nothing is left is then only that an authorised list is empty,
// which OCI's lists may be for a moment after a creation. What does not carry the cluster's tags is never touched.
func (a Account) Remove(ctx context.Context, owner ownership.Owner, id string) (Removal, error) {
	left, err := a.List(ctx, owner.Tags())
	if err != nil {
		return Removal{}, err
	}
	if id != "" && !slices.ContainsFunc(left, func(b oci.Balancer) bool { return b.ID == id }) {
		seen, exists, err := a.find(ctx, owner, id)
		if err != nil {
			return Removal{}, err
		}
		if _, proven := owner.Tagged(seen.ID, seen.Tags); exists && proven {
			left = append(left, seen)
		}
	}
	for _, one := range left {
		if one.State == oci.StateDeleting {
			continue
		}
		own, proven := owner.Tagged(one.ID, one.Tags)
		if !proven {
			continue
		}
		_, err := a.Delete(ctx, own)
		var refusal *cloud.Error
		switch {
		case err == nil, cloud.IsKind(err, cloud.NotFoundOrUnauthorized), codeOf(err) == codeIncorrectState:
			// Whether it is gone is found out by the next call.
		case errors.As(err, &refusal) && refusal.Kind == cloud.Conflict:
			return Removal{InUse: refusal.Message}, nil
		default:
			return Removal{}, err
		}
	}
	if len(left) > 0 {
		return Removal{}, nil
	}
	if err := a.probe(ctx); err != nil {
		return Removal{}, err
	}
	return Removal{Gone: true}, nil
}

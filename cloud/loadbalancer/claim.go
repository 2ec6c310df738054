// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package loadbalancer

import (
	"context"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

// Claiming is reported while the load balancer is claimed from another management cluster, and
// while that one may object.
const Claiming = "claiming the load balancer from another management cluster"

// claim writes a claim, once the caller has recorded the decision.
func (a Account) claim(ctx context.Context, owner ownership.Owner, found oci.Balancer, judgement ownership.Judgement) error {
	if !judgement.Again || found.State != oci.StateActive {
		return nil
	}
	_, err := a.UpdateTag(ctx, judgement.Laying, oci.TagChange{Key: infrav1.HeldByTag, From: judgement.Tag, To: owner.Laid()})
	if cloud.IsKind(err, cloud.Conflict) {
		// Another change is under way, or the claim is another one: the next call looks.
		return nil
	}
	return err
}

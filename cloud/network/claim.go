// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

type claimClient interface {
	UpdateVCNTag(ctx context.Context, own ownership.Proof, change oci.TagChange) error
}

// hold tells whether this management cluster manages the VCN and everything in it. A claim is
// written once the caller has recorded the decision.
func hold(
	ctx context.Context, c claimClient, owner ownership.Owner, vcn oci.VCN, decided **ownership.Judgement,
) (ours bool, err error) {
	judgement := owner.Judge(vcn.ID, vcn.Tags)
	*decided = &judgement
	switch {
	case judgement.Outcome == ownership.Ours:
		return true, nil
	case judgement.Outcome == ownership.Elsewhere:
		return false, &ownership.HeldElsewhereError{ID: vcn.ID, Claim: judgement.Found}
	case judgement.Outcome == ownership.Foreign:
		_, err := proof(owner, vcn.Resource)
		return false, err
	case !judgement.Again:
		return false, nil
	}
	err = c.UpdateVCNTag(ctx, judgement.Laying, oci.TagChange{
		Key: infrav1.HeldByTag, From: judgement.Tag, To: owner.Laid(),
	})
	if cloud.IsKind(err, cloud.Conflict) {
		// It was changed concurrently: the next pass decides again.
		return false, nil
	}
	return false, err
}

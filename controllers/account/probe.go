// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"errors"
	"fmt"
	"net"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// probe asks whether the compartment answers to the credentials, or takes the last poll's word for
// it. That instances can be listed says nothing about networks: that is asked as often as the
// domains are, and whenever the credentials have changed.
func (r *Reconciler) probe(ctx context.Context, s *scope) error {
	if s.client == nil {
		return nil
	}
	if r.Pollers != nil {
		polled, failure := r.Pollers.Latest(s.account, s.client)
		if polled && (failure != nil || !r.refreshed.due(s.account.UID, r.Options.withDefaults().RefreshInterval)) {
			return s.judge(ctx, failure)
		}
	}
	return s.judge(ctx, s.client.ProbeCompartment(ctx))
}

// judge files an error of a call under what it says something about.
func (s *scope) judge(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	problem := access.AsProblem(err)
	switch cloud.KindOf(err) {
	case cloud.Unauthenticated, cloud.InvalidCredentials:
		s.credentials = problem
	case cloud.NotFoundOrUnauthorized, cloud.Forbidden:
		s.compartment = &access.Problem{
			Reason: infrav1.NotAuthorizedOrNotFoundReason,
			Message: fmt.Sprintf("OCI does not let the credentials use compartment %s, or it does not exist: check the OCID "+
				"and the policies of the account", s.account.Spec.CompartmentID),
			Err: err,
		}
	default:
		if s.regionUnknown(err) {
			s.compartment = unknownRegion(s.account, err)
			return nil
		}
		s.unavailable = problem
	}
	return ctx.Err()
}

// regionUnknown tells whether the region's service has no address. OCI has one name for each
// service and region, so that a region which does not exist is a name which does not.
func (s *scope) regionUnknown(err error) bool {
	var dns *net.DNSError
	return s.account.Spec.Endpoint == "" && errors.As(err, &dns) && dns.IsNotFound
}

// usable tells whether nothing was found to be wrong so far.
func (s *scope) usable() bool {
	return s.client != nil && s.credentials == nil && s.compartment == nil && s.unavailable == nil
}

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
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
)

// probe asks whether the compartment answers to the credentials, or takes the last poll's word for
// it. That instances can be listed says nothing about networks: that is asked as often as the
// domains are, and whenever the credentials have changed.
func (r *Reconciler) probe(ctx context.Context, s *scope) error {
	if r.Pollers != nil {
		polled, failure := r.Pollers.Latest(s.account, s.client)
		if polled && (failure != nil || !r.domainsRead.due(s.account.UID, r.Options.withDefaults().RefreshInterval)) {
			return s.classify(failure)
		}
	}
	return s.classify(s.client.ProbeCompartment(ctx))
}

// classify tells an error of a call in the condition that it says something about. What leaves the
// credentials unproven is told there as well.
func (s *scope) classify(err error) error {
	if err == nil {
		return nil
	}
	switch cloud.KindOf(err) {
	case cloud.Unauthenticated, cloud.InvalidCredentials:
		return phases.In(infrav1.CredentialsValidCondition, err)
	case cloud.NotFoundOrUnauthorized, cloud.Forbidden:
		return &access.Problem{
			Reason: infrav1.NotAuthorizedOrNotFoundReason,
			Message: fmt.Sprintf("OCI does not let the credentials use compartment %s, or it does not exist: check the OCID "+
				"and the policies of the account", s.account.Spec.CompartmentID),
			Err: err,
		}
	}
	if s.regionUnknown(err) {
		s.NoteUnknown(infrav1.CredentialsValidCondition, infrav1.WaitingReason, "No OCI service could be reached in this region")
		return unknownRegion(s.account, err)
	}
	problem := access.AsProblem(err)
	s.NoteUnknown(infrav1.CredentialsValidCondition, problem.Reason, "%s", problem.Message)
	return problem
}

// regionUnknown tells whether the region's service has no address. OCI has one name for each
// service and region, so that a region which does not exist is a name which does not.
func (s *scope) regionUnknown(err error) bool {
	var dns *net.DNSError
	return s.account.Spec.Endpoint == "" && errors.As(err, &dns) && dns.IsNotFound
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"reflect"
	"slices"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/placement"
)

// limitsService is the service whose limits are read: those of instances.
const limitsService = "compute"

// maxLimits is the API's limit of status.limits.
const maxLimits = 128

// limitsNotAllowed is what a missing permission means: limits are not known, and nothing else. The
// policy's resource type is that which Oracle gives auditors:
// github.com/oci-landing-zones/terraform-oci-modules-iam, policies/root_cmp_policy.tf.
const limitsNotAllowed = "OCI does not let the credentials read its service limits, so that they are found out by launches only: " +
	"add \"Allow group ... to read resource-availability in tenancy\" to the policy"

// limits reads OCI's limits of the families in use or short, rarely, and soon after a launch was
// refused for one. What fails here spoils nothing else.
func (r *Reconciler) limits(ctx context.Context, s *scope) error {
	options := r.Options.withDefaults()
	interval := options.LimitsInterval
	if s.limitHit {
		interval = options.PollInterval
	}
	names := limitNames(s.account.Status)
	if !s.usable() || len(names) == 0 || !r.limited.due(s.account.UID, interval) {
		return nil
	}
	r.limited.done(s.account.UID)
	values, err := s.client.LimitValues(ctx, limitsService)
	if err != nil {
		s.account.Status.LimitsMessage = limitsProblem(err)
		if cloud.IsKind(err, cloud.NotFoundOrUnauthorized, cloud.Forbidden) {
			s.account.Status.Limits = nil
		}
		return ctx.Err()
	}
	s.account.Status.LimitsMessage = ""
	var limits []infrav1.ServiceLimit
	for _, value := range values {
		if slices.Contains(names, value.Name) && len(limits) < maxLimits {
			limits = append(limits, r.limit(ctx, s, value))
		}
	}
	if !reflect.DeepEqual(limits, s.account.Status.Limits) {
		s.account.Status.Limits = limits
	}
	return ctx.Err()
}

// limit adds what is used and left, as far as OCI counts it: not all limits can be asked for that,
// and those answer 404 (oci-go-sdk limits, GetResourceAvailability).
func (r *Reconciler) limit(ctx context.Context, s *scope, value oci.LimitValue) infrav1.ServiceLimit {
	out := infrav1.ServiceLimit{Name: value.Name, AvailabilityDomain: value.AvailabilityDomain, Value: &value.Value}
	availability, err := s.client.ResourceAvailability(ctx, limitsService, value.Name, value.AvailabilityDomain)
	switch {
	case err == nil && availability.Known:
		out.Used, out.Available = &availability.Used, &availability.Available
	case err != nil && s.account.Status.LimitsMessage == "":
		s.account.Status.LimitsMessage = limitsProblem(err)
	}
	return out
}

func limitsProblem(err error) string {
	if cloud.IsKind(err, cloud.NotFoundOrUnauthorized, cloud.Forbidden) {
		return limitsNotAllowed
	}
	return "OCI's service limits could not be read: " + cloud.UserMessage(err)
}

// limitNames are the names of the limits of the families that are used, may be used or were found
// short.
func limitNames(status infrav1.OCIAccountStatus) []string {
	var names []string
	for _, family := range status.Usage {
		names = append(names, placement.CoreLimit(family.Family), placement.MemoryLimit(family.Family))
	}
	for _, shortage := range status.Shortages {
		family := placement.Family(shortage.Shape)
		names = append(names, placement.CoreLimit(family), placement.MemoryLimit(family))
	}
	return names
}

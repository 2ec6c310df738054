// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"slices"
	"time"

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
const limitsNotAllowed = "OCI does not let the credentials read its service limits, so that only launches find them out: " +
	"add \"Allow group ... to read resource-availability in tenancy\" to the policy"

// limits reads OCI's limits of the families in use or short, rarely, more often while they keep a
// machine out, and soon after a launch was refused for one. What fails here spoils nothing else.
func (r *Reconciler) limits(ctx context.Context, s *scope) error {
	names := limitNames(s.account.Status)
	if len(names) == 0 || !r.limitsRead.due(s.account.UID, r.limitsInterval(s)) {
		return nil
	}
	r.limitsRead.mark(s.account.UID)
	limits, err := s.readLimits(ctx, names)
	if ctx.Err() != nil {
		// It took longer than a pass may: what was read by then is not all.
		return nil
	}
	status := &s.account.Status
	status.LimitsMessage = limitsProblem(err)
	if limits != nil || isNotAllowed(err) {
		status.Limits = limits
	}
	return nil
}

// limitsInterval is how old the known limits may be.
func (r *Reconciler) limitsInterval(s *scope) time.Duration {
	options := r.Options.withDefaults()
	awaited := time.Now().Add(-options.AwaitedLimitsInterval)
	switch {
	case r.limitsHit.last(s.account.UID).After(r.limitsRead.last(s.account.UID)):
		return s.Intervals.Poll
	case r.Pollers != nil && r.Pollers.Shortages(s.account).LimitedSince(awaited):
		return options.AwaitedLimitsInterval
	}
	return options.LimitsInterval
}

// readLimits returns the limits of the names, nil if they cannot be listed, and the first error.
func (s *scope) readLimits(ctx context.Context, names []string) ([]infrav1.ServiceLimit, error) {
	values, err := s.client.LimitValues(ctx, limitsService)
	if err != nil {
		return nil, err
	}
	limits := []infrav1.ServiceLimit{}
	for _, value := range values {
		if !slices.Contains(names, value.Name) || len(limits) == maxLimits {
			continue
		}
		limit, failed := s.readLimit(ctx, value)
		limits = append(limits, limit)
		if err == nil {
			err = failed
		}
	}
	return limits, err
}

// readLimit adds what is used and left, as far as OCI counts it: not all limits can be asked for
// that, and those answer 404 (oci-go-sdk limits, GetResourceAvailability).
func (s *scope) readLimit(ctx context.Context, value oci.LimitValue) (infrav1.ServiceLimit, error) {
	out := infrav1.ServiceLimit{Name: value.Name, AvailabilityDomain: value.AvailabilityDomain, Value: &value.Value}
	availability, err := s.client.ResourceAvailability(ctx, limitsService, value.Name, value.AvailabilityDomain)
	if err == nil && availability.Known {
		out.Used, out.Available = &availability.Used, &availability.Available
	}
	return out, err
}

func isNotAllowed(err error) bool {
	return cloud.IsKind(err, cloud.NotFoundOrUnauthorized, cloud.Forbidden)
}

func limitsProblem(err error) string {
	switch {
	case err == nil:
		return ""
	case isNotAllowed(err):
		return limitsNotAllowed
	}
	return "Cannot read OCI's service limits: " + cloud.UserMessage(err)
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

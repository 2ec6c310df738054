// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// domains reads the availability and fault domains, and the region's subscription with them: once
// per interval, and whenever the status has none.
func (r *Reconciler) domains(ctx context.Context, s *scope) error {
	known := len(s.account.Status.AvailabilityDomains) > 0
	if !s.usable() || (known && !r.refreshed.due(s.account.UID, r.Options.withDefaults().RefreshInterval)) {
		return nil
	}
	if err := s.checkRegion(ctx); err != nil || !s.usable() {
		return err
	}
	domains, err := s.client.AvailabilityDomains(ctx)
	if err != nil {
		return s.judge(ctx, err)
	}
	s.domains = []infrav1.AvailabilityDomain{}
	for _, domain := range domains {
		s.domains = append(s.domains, infrav1.AvailabilityDomain{
			Name: domain.Name, ShortName: shortName(domain), FaultDomains: domain.FaultDomains,
		})
	}
	r.refreshed.done(s.account.UID)
	return nil
}

var domainNumber = regexp.MustCompile(`ad-[0-9]+$`)

// shortName is what follows the tenancy's prefix and the region in names such as
// Uocm:EU-FRANKFURT-1-AD-1, in lower case; a name of another form loses its prefix only.
func shortName(domain oci.AvailabilityDomain) string {
	name := strings.ToLower(domain.Name)
	if short := domainNumber.FindString(name); short != "" {
		return short
	}
	_, rest, found := strings.Cut(name, ":")
	if !found {
		return name
	}
	return rest
}

// checkRegion asks whether the tenancy is subscribed to the region. The list of subscriptions needs
// a permission of its own, which is not asked for: without it there is nothing to say.
func (s *scope) checkRegion(ctx context.Context) error {
	subscriptions, err := s.client.RegionSubscriptions(ctx)
	if cloud.IsKind(err, cloud.NotFoundOrUnauthorized, cloud.Forbidden) {
		return nil
	}
	if err != nil {
		return s.judge(ctx, err)
	}
	subscribed := slices.ContainsFunc(subscriptions, func(r oci.RegionSubscription) bool {
		return r.Name == s.account.Spec.Region && r.Ready
	})
	if !subscribed {
		s.compartment = unknownRegion(s.account, nil)
	}
	return nil
}

func unknownRegion(account *infrav1.OCIAccount, err error) *access.Problem {
	return &access.Problem{
		Reason: infrav1.RegionUnknownReason,
		Message: fmt.Sprintf("the tenancy is not subscribed to region %s, or it does not exist: correct it by a new OCIAccount, "+
			"or subscribe to the region", account.Spec.Region),
		Err: err,
	}
}

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
	if known && !r.domainsRead.due(s.account.UID, r.Options.withDefaults().RefreshInterval) {
		return nil
	}
	if err := s.checkRegion(ctx); err != nil {
		return err
	}
	domains, err := s.client.AvailabilityDomains(ctx)
	if err != nil {
		return s.classify(err)
	}
	s.availabilityDomains = []infrav1.AvailabilityDomain{}
	for _, domain := range domains {
		s.availabilityDomains = append(s.availabilityDomains, infrav1.AvailabilityDomain{
			Name: domain.Name, ShortName: shortName(domain), FaultDomains: domain.FaultDomains,
		})
	}
	r.domainsRead.mark(s.account.UID)
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
		return s.classify(err)
	}
	subscribed := slices.ContainsFunc(subscriptions, func(r oci.RegionSubscription) bool {
		return r.Name == s.account.Spec.Region && r.Ready
	})
	if !subscribed {
		return unknownRegion(s.account, nil)
	}
	return nil
}

func unknownRegion(account *infrav1.OCIAccount, err error) *access.Problem {
	return &access.Problem{
		Reason: infrav1.RegionUnknownReason,
		Message: fmt.Sprintf("The tenancy is not subscribed to region %s, or there is no such region: subscribe to it, "+
			"or create an OCIAccount for another region", account.Spec.Region),
		Err: err,
	}
}

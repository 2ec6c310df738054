// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"regexp"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
)

// refreshes remembers when the domains of an account were read last by this process. The zero value
// is ready.
type refreshes struct {
	mu sync.Mutex
	at map[types.UID]time.Time
}

func (r *refreshes) due(uid types.UID, interval time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	last, ok := r.at[uid]
	return !ok || time.Since(last) >= interval
}

func (r *refreshes) done(uid types.UID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.at == nil {
		r.at = map[types.UID]time.Time{}
	}
	r.at[uid] = time.Now()
}

func (r *refreshes) forget(uid types.UID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.at, uid)
}

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

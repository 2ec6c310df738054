// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

func TestAGoodAccountIsReadyAndKnowsItsDomains(t *testing.T) {
	g := NewWithT(t)
	w, r := newWorld(t, func(_ int, tenancy *sim.Tenancy) { tenancy.ADs = 3 })
	account := w.Accounts[0]

	result := reconciled(t, r, account)

	helpers.ExpectConditions(t, account, "Ready True Ready", "CredentialsValid True Ready", "CompartmentAccessible True Ready",
		"StraysAbsent Unknown Waiting", "Deleting False NotDeleting")
	g.Expect(account.Finalizers).To(ConsistOf(infrav1.OCIAccountFinalizer))
	var domains []string
	for _, domain := range account.Status.AvailabilityDomains {
		domains = append(domains, domain.ShortName)
		g.Expect(domain.FaultDomains).To(HaveLen(3))
	}
	g.Expect(domains).To(Equal([]string{"ad-1", "ad-2", "ad-3"}))
	g.Expect(account.Status.AvailabilityDomains[0].Name).To(Equal(w.Tenancies[0].AvailabilityDomains()[0]))
	g.Expect(result.RequeueAfter).To(BeNumerically("~", time.Minute, 10*time.Second))
}

func TestARegionThatTheTenancyHasNotSubscribedTo(t *testing.T) {
	w, r := newWorld(t)
	account := helpers.NewOCIAccount(w.Namespace+"-elsewhere", w.Credentials[0], "eu-frankfurt-1", w.Tenancies[0].Compartment(), w.OCI.URL())
	env.Create(t, account)

	reconciled(t, r, account)

	helpers.ExpectConditions(t, account, "Ready False RegionUnknown", "CredentialsValid True Ready",
		"CompartmentAccessible False RegionUnknown", "StraysAbsent Unknown Waiting", "Deleting False NotDeleting")
}

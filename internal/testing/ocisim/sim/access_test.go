// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package sim_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/identity"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

func TestCompartmentsAreHiddenFromStrangers(t *testing.T) {
	other := sim.NewTenancy("other")
	b := newBench(t, func(options *sim.Options, tenancy *sim.Tenancy) {
		tenancy.Compartments = append(tenancy.Compartments, sim.Compartment{Name: "second"})
		options.Tenancies = append(options.Tenancies, other)
	})
	g := b.g
	vcn := b.vcn("10.0.0.0/16")
	limited, err := b.sim.NewUser(b.tenancy, b.tenancy.Compartments[1].OCID)
	g.Expect(err).NotTo(HaveOccurred())
	foreign, err := b.sim.NewUser(other)
	g.Expect(err).NotTo(HaveOccurred())

	for name, who := range map[string]clients{"another tenancy": b.connect(foreign), "a user without permission": b.connect(limited)} {
		_, err = who.network.GetVcn(b.t.Context(), core.GetVcnRequest{VcnId: vcn.Id})
		g.Expect(refusal(err)).To(Equal("404 NotAuthorizedOrNotFound"), name)
		_, err = who.network.ListVcns(b.t.Context(), core.ListVcnsRequest{CompartmentId: b.compartment()})
		g.Expect(refusal(err)).To(Equal("404 NotAuthorizedOrNotFound"), name)
		_, err = who.network.DeleteVcn(b.t.Context(), core.DeleteVcnRequest{VcnId: vcn.Id})
		g.Expect(refusal(err)).To(Equal("404 NotAuthorizedOrNotFound"), name)
		_, err = who.identity.GetCompartment(b.t.Context(), identity.GetCompartmentRequest{CompartmentId: b.compartment()})
		g.Expect(refusal(err)).To(Equal("404 NotAuthorizedOrNotFound"), name)
	}
	own := b.connect(limited)
	_, err = own.network.ListVcns(b.t.Context(), core.ListVcnsRequest{CompartmentId: common.String(b.tenancy.Compartments[1].OCID)})
	g.Expect(err).NotTo(HaveOccurred())
}

func TestClocksThatDifferMakeSignaturesInvalid(t *testing.T) {
	b := newBench(t)
	list := func() error {
		_, err := b.network.ListVcns(b.t.Context(), core.ListVcnsRequest{CompartmentId: b.compartment()})
		return err
	}
	b.sim.SetSkew(4 * time.Minute)
	b.g.Expect(list()).To(Succeed())
	for _, skew := range []time.Duration{6 * time.Minute, -6 * time.Minute} {
		b.sim.SetSkew(skew)
		b.g.Expect(refusal(list())).To(Equal("401 NotAuthenticated"))
	}
	b.sim.SetSkew(0)
	b.g.Expect(list()).To(Succeed())
}

func TestRevokedKeysAreRefusedUntilRestored(t *testing.T) {
	b := newBench(t)
	ask := func() error {
		_, err := b.identity.ListRegions(b.t.Context())
		return err
	}
	b.g.Expect(ask()).To(Succeed())
	b.g.Expect(b.sim.RevokeKey("one", b.credentials.Fingerprint)).To(Succeed())
	b.g.Expect(refusal(ask())).To(Equal("401 NotAuthenticated"))
	b.g.Expect(b.sim.RevokeKey("one", b.credentials.Fingerprint)).NotTo(Succeed())
	b.g.Expect(b.sim.RestoreUsers(b.tenancy)).To(Succeed())
	b.g.Expect(ask()).To(Succeed())
}

func TestIdentityDescribesTheTenancy(t *testing.T) {
	b := newBench(t, func(_ *sim.Options, tenancy *sim.Tenancy) { tenancy.ADs, tenancy.Region = 3, "eu-frankfurt-1" })
	g := b.g

	regions, err := b.identity.ListRegions(b.t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(regions.Items).To(ContainElement(identity.Region{Name: common.String("eu-frankfurt-1"), Key: common.String("FRA")}))
	subscriptions, err := b.identity.ListRegionSubscriptions(b.t.Context(), identity.ListRegionSubscriptionsRequest{TenancyId: &b.tenancy.OCID})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(*subscriptions.Items[0].RegionName).To(Equal("eu-frankfurt-1"))
	tenancy, err := b.identity.GetTenancy(b.t.Context(), identity.GetTenancyRequest{TenancyId: &b.tenancy.OCID})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(*tenancy.Name).To(Equal("one"))
	domains, err := b.identity.ListAvailabilityDomains(b.t.Context(), identity.ListAvailabilityDomainsRequest{CompartmentId: b.compartment()})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(domains.Items).To(HaveLen(3))
	g.Expect(*domains.Items[2].Name).To(MatchRegexp(`^[a-zA-Z]{4}:EU-FRANKFURT-AD-3$`))
	faults, err := b.identity.ListFaultDomains(b.t.Context(), identity.ListFaultDomainsRequest{CompartmentId: b.compartment(), AvailabilityDomain: domains.Items[0].Name})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(faults.Items).To(HaveLen(3))
	_, err = b.identity.ListFaultDomains(b.t.Context(), identity.ListFaultDomainsRequest{CompartmentId: b.compartment(), AvailabilityDomain: common.String("AD-9")})
	g.Expect(refusal(err)).To(Equal("404 NotAuthorizedOrNotFound"))
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package sim_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

func (b *bench) createVcn(name, token string) (core.CreateVcnResponse, error) {
	request := core.CreateVcnRequest{CreateVcnDetails: core.CreateVcnDetails{CompartmentId: b.compartment(),
		CidrBlocks: []string{"10.0.0.0/16"}, DisplayName: common.String(name)}}
	if token != "" {
		request.OpcRetryToken = common.String(token)
	}
	return b.network.CreateVcn(b.t.Context(), request)
}

// vcnNames reads all pages of a list.
func (b *bench) vcnNames(limit *int) (names []string, pages int) {
	request := core.ListVcnsRequest{CompartmentId: b.compartment(), Limit: limit, SortBy: core.ListVcnsSortByDisplayname}
	for {
		response, err := b.network.ListVcns(b.t.Context(), request)
		b.g.Expect(err).NotTo(HaveOccurred())
		pages++
		for _, vcn := range response.Items {
			names = append(names, *vcn.DisplayName)
		}
		if request.Page = response.OpcNextPage; request.Page == nil {
			return names, pages
		}
	}
}

func TestListsArePaged(t *testing.T) {
	b := newBench(t)
	var expected []string
	for i := range 12 {
		name := fmt.Sprintf("vcn-%02d", i)
		expected = append(expected, name)
		_, err := b.createVcn(name, "")
		b.g.Expect(err).NotTo(HaveOccurred())
	}
	for name, world := range map[string]struct {
		limit *int
		pages int
	}{
		"no limit takes the server's page": {nil, 3},
		"a small limit is kept":            {common.Int(4), 3},
		"one by one":                       {common.Int(1), 12},
		"a large limit is cut":             {common.Int(1000), 3},
	} {
		names, pages := b.vcnNames(world.limit)
		b.g.Expect(names).To(Equal(expected), name)
		b.g.Expect(pages).To(Equal(world.pages), name)
	}
	_, err := b.network.ListVcns(b.t.Context(), core.ListVcnsRequest{CompartmentId: b.compartment(), Page: common.String("nonsense")})
	b.g.Expect(refusal(err)).To(Equal("400 InvalidParameter"))
	_, err = b.network.ListVcns(b.t.Context(), core.ListVcnsRequest{CompartmentId: b.compartment(), Limit: common.Int(1001)})
	b.g.Expect(refusal(err)).To(Equal("400 InvalidParameter"))
}

func TestListsMayLag(t *testing.T) {
	b := newBench(t, func(options *sim.Options, _ *sim.Tenancy) { options.Delays.ListLag = 30 * time.Second })
	created, err := b.createVcn("late", "")
	b.g.Expect(err).NotTo(HaveOccurred())
	names, _ := b.vcnNames(nil)
	b.g.Expect(names).To(BeEmpty())
	_, err = b.network.GetVcn(b.t.Context(), core.GetVcnRequest{VcnId: created.Id})
	b.g.Expect(err).NotTo(HaveOccurred())
	b.clock.Advance(31 * time.Second)
	names, _ = b.vcnNames(nil)
	b.g.Expect(names).To(Equal([]string{"late"}))
}

func TestRetryTokens(t *testing.T) {
	b := newBench(t)
	first, err := b.createVcn("same", "token")
	b.g.Expect(err).NotTo(HaveOccurred())

	again, err := b.createVcn("same", "token")
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(*again.Id).To(Equal(*first.Id), "the same payload gets the same resource")
	_, err = b.createVcn("other", "token")
	b.g.Expect(refusal(err)).To(Equal("409 InvalidatedRetryToken"), "another payload is refused")
	other, err := b.createVcn("same", "another token")
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(*other.Id).NotTo(Equal(*first.Id))

	b.clock.Advance(step)
	_, err = b.network.DeleteVcn(b.t.Context(), core.DeleteVcnRequest{VcnId: first.Id})
	b.g.Expect(err).NotTo(HaveOccurred())
	b.clock.Advance(step)
	_, err = b.createVcn("same", "token")
	b.g.Expect(refusal(err)).To(Equal("409 InvalidatedRetryToken"), "the resource is gone")
	b.clock.Advance(25 * time.Hour)
	_, err = b.createVcn("same", "token")
	b.g.Expect(err).NotTo(HaveOccurred(), "tokens expire after 24 hours")
}

func TestFaults(t *testing.T) {
	for name, world := range map[string]struct {
		fault   sim.Fault
		expect  string
		created int
	}{
		"error before the commit": {sim.Fault{Operation: "CreateVcn", Status: 503, Code: "ServiceUnavailable", Message: "Later."}, "503 ServiceUnavailable", 0},
		"error after the commit":  {sim.Fault{Operation: "CreateVcn", Status: 500, Code: "InternalServerError", AfterCommit: true}, "500 InternalServerError", 1},
		"throttled":               {sim.Fault{Tenancy: "one", Status: 429, Code: "TooManyRequests", RetryAfter: time.Second}, "429 TooManyRequests", 0},
		"reset before the commit": {sim.Fault{Operation: "CreateVcn", Reset: true}, "no service error", 0},
		"reset after the commit":  {sim.Fault{Operation: "CreateVcn", Reset: true, AfterCommit: true}, "no service error", 1},
		"hang before the commit":  {sim.Fault{Operation: "CreateVcn", Hang: true}, "no service error", 0},
		"hang after the commit":   {sim.Fault{Operation: "CreateVcn", Hang: true, AfterCommit: true}, "no service error", 1},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.network.HTTPClient = &http.Client{Timeout: time.Second}
			b.sim.AddFault(world.fault)
			_, err := b.createVcn("vcn", "token")
			b.g.Expect(err).To(HaveOccurred())
			b.g.Expect(refusal(err)).To(HavePrefix(world.expect))
			left, err := b.sim.Leftovers("one")
			b.g.Expect(err).NotTo(HaveOccurred())
			b.g.Expect(left).To(HaveLen(world.created))

			_, err = b.createVcn("vcn", "token")
			b.g.Expect(err).NotTo(HaveOccurred(), "a fault hits once, and the retry token finds what was made")
			left, err = b.sim.Leftovers("one")
			b.g.Expect(err).NotTo(HaveOccurred())
			b.g.Expect(left).To(HaveLen(1))
		})
	}
}

func TestFaultsAreChosenByOperationTenancyAndNumber(t *testing.T) {
	b := newBench(t)
	b.sim.AddFault(sim.Fault{Operation: "CreateVcn", Tenancy: "other", Status: 500, Code: "X"})
	b.sim.AddFault(sim.Fault{Operation: "DeleteVcn", Status: 500, Code: "X"})
	b.sim.AddFault(sim.Fault{Operation: "CreateVcn", Status: 500, Code: "X", Skip: 1, Times: 2})
	var outcomes []string
	for range 4 {
		_, err := b.createVcn("vcn", "")
		outcomes = append(outcomes, map[bool]string{true: "made", false: "failed"}[err == nil])
	}
	b.g.Expect(outcomes).To(Equal([]string{"made", "failed", "failed", "made"}))
	b.sim.AddFault(sim.Fault{Operation: "CreateVcn", Status: 500, Code: "X", Times: -1})
	b.sim.ClearFaults()
	_, err := b.createVcn("vcn", "")
	b.g.Expect(err).NotTo(HaveOccurred())
}

func TestCallsAreLogged(t *testing.T) {
	b := newBench(t)
	_, err := b.createVcn("vcn", "")
	b.g.Expect(err).NotTo(HaveOccurred())
	response, err := b.network.GetVcn(b.t.Context(), core.GetVcnRequest{VcnId: common.String("ocid1.vcn.x")})
	b.g.Expect(refusal(err)).To(Equal("404 NotAuthorizedOrNotFound"))

	b.g.Expect(b.sim.CallCounts("one")).To(Equal(map[string]int{"CreateVcn": 1, "GetVcn": 1}))
	b.g.Expect(b.sim.CallCounts("other")).To(BeEmpty())
	calls := b.sim.Calls()
	b.g.Expect(calls[1].Status).To(Equal(404))
	b.g.Expect(calls[1].RequestID).To(Equal(response.RawResponse.Header.Get("opc-request-id")))
	b.sim.ResetCalls()
	b.g.Expect(b.sim.Calls()).To(BeEmpty())
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package sim_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/oracle/oci-go-sdk/v65/common"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

// raw sends a request signed by the SDK's signer, for requests the SDK's clients would not send.
// spoil may change the request after it was signed.
func (b *bench) raw(c sim.Credentials, method, path, body string, date time.Time, spoil func(*http.Request)) string {
	provider := common.NewRawConfigurationProvider(c.TenancyOCID, c.UserOCID, c.Region, c.Fingerprint, c.PrivateKeyPEM, nil)
	request, err := http.NewRequestWithContext(b.t.Context(), method, b.sim.URL()+path, bytes.NewBufferString(body))
	b.g.Expect(err).NotTo(HaveOccurred())
	request.Header.Set("Date", date.UTC().Format(http.TimeFormat))
	if method != http.MethodGet {
		request.Header.Set("Content-Type", "application/json")
	}
	b.g.Expect(common.DefaultRequestSigner(provider).Sign(request)).To(Succeed())
	if spoil != nil {
		spoil(request)
	}
	response, err := http.DefaultClient.Do(request)
	b.g.Expect(err).NotTo(HaveOccurred())
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(response.Header.Get("opc-request-id")).NotTo(BeEmpty())
	var failure struct{ Code string }
	if response.StatusCode >= 400 {
		b.g.Expect(json.Unmarshal(content, &failure)).To(Succeed())
	}
	return fmt.Sprintf("%d %s", response.StatusCode, failure.Code)
}

func TestSignaturesAreVerified(t *testing.T) {
	b := newBench(t)
	other := sim.NewTenancy("other")
	stranger, err := other.NewUser()
	b.g.Expect(err).NotTo(HaveOccurred())
	list := "/20160918/vcns?compartmentId=" + b.tenancy.Compartment()
	vcn := fmt.Sprintf(`{"compartmentId":%q,"cidrBlock":"10.0.0.0/16"}`, b.tenancy.Compartment())
	with := func(change func(*sim.Credentials)) sim.Credentials {
		changed := b.credentials
		change(&changed)
		return changed
	}
	now := time.Now()

	for name, world := range map[string]struct {
		credentials sim.Credentials
		method      string
		body        string
		date        time.Time
		spoil       func(*http.Request)
		expect      string
	}{
		"a good GET":            {credentials: b.credentials, expect: "200 "},
		"a good POST":           {credentials: b.credentials, method: "POST", body: vcn, expect: "200 "},
		"a date 4 minutes old":  {credentials: b.credentials, date: now.Add(-4 * time.Minute), expect: "200 "},
		"a date 6 minutes old":  {credentials: b.credentials, date: now.Add(-6 * time.Minute), expect: "401 NotAuthenticated"},
		"a date 6 minutes off":  {credentials: b.credentials, date: now.Add(6 * time.Minute), expect: "401 NotAuthenticated"},
		"an unknown user":       {credentials: with(func(c *sim.Credentials) { c.UserOCID = stranger.UserOCID }), expect: "401 NotAuthenticated"},
		"an unknown tenancy":    {credentials: stranger, expect: "401 NotAuthenticated"},
		"a wrong fingerprint":   {credentials: with(func(c *sim.Credentials) { c.Fingerprint = stranger.Fingerprint }), expect: "401 NotAuthenticated"},
		"a key of someone else": {credentials: with(func(c *sim.Credentials) { c.PrivateKeyPEM = stranger.PrivateKeyPEM }), expect: "401 NotAuthenticated"},
		"another path than signed": {credentials: b.credentials, expect: "401 NotAuthenticated",
			spoil: func(r *http.Request) { r.URL.RawQuery += "&limit=1" }},
		"another body than signed": {credentials: b.credentials, method: "POST", body: vcn, expect: "401 NotAuthenticated",
			spoil: func(r *http.Request) {
				r.Body = io.NopCloser(bytes.NewBufferString(vcn[:len(vcn)-1] + " "))
			}},
		"another hash than signed": {credentials: b.credentials, method: "POST", body: vcn, expect: "401 NotAuthenticated",
			spoil: func(r *http.Request) { r.Header.Set("x-content-sha256", "AAAA") }},
		"no signature": {credentials: b.credentials, expect: "401 NotAuthenticated",
			spoil: func(r *http.Request) { r.Header.Del("Authorization") }},
		"a signature that is none": {credentials: b.credentials, expect: "401 NotAuthenticated",
			spoil: func(r *http.Request) { r.Header.Set("Authorization", "Bearer token") }},
	} {
		t.Run(name, func(t *testing.T) {
			method, path, date := world.method, list, world.date
			if method == "" {
				method = http.MethodGet
			} else {
				path = "/20160918/vcns"
			}
			if date.IsZero() {
				date = now
			}
			NewWithT(t).Expect(b.raw(world.credentials, method, path, world.body, date, world.spoil)).To(Equal(world.expect))
		})
	}
}

func TestBodiesAreParsedStrictly(t *testing.T) {
	b := newBench(t)
	prefix := fmt.Sprintf(`{"compartmentId":%q,`, b.tenancy.Compartment())
	for name, world := range map[string]struct{ body, expect string }{
		"good":                    {prefix + `"cidrBlock":"10.0.0.0/16"}`, "200 "},
		"null is absent":          {prefix + `"cidrBlock":"10.1.0.0/16","displayName":null}`, "200 "},
		"no JSON":                 {`{`, "400 CannotParseRequest"},
		"empty":                   {``, "400 CannotParseRequest"},
		"an array":                {`[]`, "400 CannotParseRequest"},
		"two documents":           {prefix + `"cidrBlock":"10.0.0.0/16"} {}`, "400 CannotParseRequest"},
		"an unknown field":        {prefix + `"cidrBlock":"10.0.0.0/16","cidr":"x"}`, "400 CannotParseRequest"},
		"a field in another case": {prefix + `"CidrBlock":"10.0.0.0/16"}`, "400 CannotParseRequest"},
		"a number for a string":   {prefix + `"cidrBlock":10}`, "400 CannotParseRequest"},
		"a string for an array":   {prefix + `"cidrBlocks":"10.0.0.0/16"}`, "400 CannotParseRequest"},
		"a number for a tag":      {prefix + `"cidrBlock":"10.0.0.0/16","freeformTags":{"a":1}}`, "400 CannotParseRequest"},
		"no compartment":          {`{"cidrBlock":"10.0.0.0/16"}`, "400 MissingParameter"},
		"no CIDR":                 {prefix + `"displayName":"x"}`, "400 MissingParameter"},
	} {
		t.Run(name, func(t *testing.T) {
			answer := b.raw(b.credentials, http.MethodPost, "/20160918/vcns", world.body, time.Now(), nil)
			NewWithT(t).Expect(answer).To(Equal(world.expect))
		})
	}
}

func TestUnknownOperationsAreNotFound(t *testing.T) {
	b := newBench(t)
	b.g.Expect(b.raw(b.credentials, http.MethodGet, "/20160918/cpes?compartmentId=x", "", time.Now(), nil)).To(Equal("404 NotFound"))
	b.g.Expect(b.raw(b.credentials, http.MethodGet, "/20160918/vcns?limit=none&compartmentId=x", "", time.Now(), nil)).To(Equal("400 InvalidParameter"))
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
)

const instancePath = "GET /20160918/instances/" + instanceID

func TestAnswersBecomeKinds(t *testing.T) {
	for _, tc := range []struct {
		name   string
		status int
		body   string
		want   cloud.Kind
	}{
		{"gone or not ours to see", 404, `{"code":"NotAuthorizedOrNotFound","message":"Authorization failed or requested resource not found."}`, cloud.NotFoundOrUnauthorized},
		{"a key that is not known", 401, `{"code":"NotAuthenticated","message":"The required information to complete authentication was not provided."}`, cloud.Unauthenticated},
		{"a call that is not allowed", 403, `{"code":"NotAllowed","message":"No."}`, cloud.Forbidden},
		{"too many requests", 429, `{"code":"TooManyRequests","message":"Tenant has been throttled."}`, cloud.Throttled},
		{"a used-up limit", 400, `{"code":"LimitExceeded","message":"The following service limits were exceeded: standard-a1-core-count."}`, cloud.LimitExceeded},
		{"a used-up quota", 400, `{"code":"QuotaExceeded","message":"The following compartment quotas were exceeded."}`, cloud.QuotaExceeded},
		{"a limit reported as a conflict", 409, `{"code":"LimitExceeded","message":"Limit."}`, cloud.LimitExceeded},
		{"no host", 500, `{"code":"InternalError","message":"Out of host capacity."}`, cloud.OutOfCapacity},
		{"a bad value", 400, `{"code":"InvalidParameter","message":"shape is not valid"}`, cloud.InvalidRequest},
		{"no host, as a bad value", 400, `{"code":"InvalidParameter","message":"Out of host capacity."}`, cloud.OutOfCapacity},
		{"no host, as a conflict", 409, `{"code":"Conflict","message":"Out of host capacity."}`, cloud.OutOfCapacity},
		{"no host, says who does not let us in", 401, `{"code":"NotAuthenticated","message":"Out of capacity."}`, cloud.Unauthenticated},
		{"no host, but what is missing", 404, `{"code":"NotAuthorizedOrNotFound","message":"Out of capacity."}`, cloud.NotFoundOrUnauthorized},
		{"a reference to what is gone", 400, `{"code":"RelatedResourceNotAuthorizedOrNotFound","message":"x"}`, cloud.RelatedNotFoundOrUnauthorized},
		{"there already, or not allowed", 409, `{"code":"NotAuthorizedOrResourceAlreadyExists","message":"x"}`, cloud.ExistsOrUnauthorized},
		{"a change during another", 409, `{"code":"Conflict","message":"Invalid State Transition of NLB lifeCycle state from Updating to Updating"}`, cloud.Conflict},
		{"a state that forbids it", 409, `{"code":"IncorrectState","message":"The instance is terminating."}`, cloud.Conflict},
		{"a token used before", 409, `{"code":"InvalidatedRetryToken","message":"The retry token was used."}`, cloud.Conflict},
		{"an etag that is old", 412, `{"code":"NoEtagMatch","message":"x"}`, cloud.Conflict},
		{"a failure", 500, `{"code":"InternalServerError","message":"x"}`, cloud.Unavailable},
		{"an outage", 503, `{"code":"ServiceUnavailable","message":"x"}`, cloud.Unavailable},
		{"a proxy's page", 502, `<html>Bad gateway</html>`, cloud.Unavailable},
		{"another server's not found is no evidence", 404, `<html>Not found</html>`, cloud.Unavailable},
		{"a proxy's block page is no refusal", 403, `<html>This page was blocked</html>`, cloud.Unavailable},
		{"nor is its login", 401, `<html>Log in</html>`, cloud.Unavailable},
		{"nor an empty one", 400, ``, cloud.Unavailable},
		{"a gateway's limit", 429, `<html>Slow down</html>`, cloud.Throttled},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := NewWithT(t)
			f := newFake(t)
			f.on(instancePath, answer(tc.status, tc.body))

			_, err := newClient(t, f).GetInstance(context.Background(), instanceID)

			g.Expect(cloud.KindOf(err)).To(Equal(tc.want), "%v", err)
			var e *cloud.Error
			g.Expect(errors.As(err, &e)).To(BeTrue())
			g.Expect(e.Status).To(Equal(tc.status))
			g.Expect(e.Operation).To(Equal("GetInstance"))
			g.Expect(e.Service).To(Equal("compute"))
			g.Expect(e.RequestID).To(Equal("req-1"))
			g.Expect(err.Error()).NotTo(ContainSubstring("<html>"))
			g.Expect(f.seen()).To(HaveLen(1), "the SDK must not retry")
		})
	}
}

func TestDistinctCodesAreKept(t *testing.T) {
	g := NewWithT(t)
	f := newFake(t)
	f.on(instancePath, answer(409, `{"code":"InvalidatedRetryToken","message":"used"}`))

	_, err := newClient(t, f).GetInstance(context.Background(), instanceID)

	var e *cloud.Error
	g.Expect(errors.As(err, &e)).To(BeTrue())
	g.Expect(e.Code).To(Equal("InvalidatedRetryToken"))
	g.Expect(e.Error()).To(Equal("GetInstance: 409 InvalidatedRetryToken: used (request ID req-1)"))
}

func TestRetryAfterIsKept(t *testing.T) {
	g := NewWithT(t)
	f := newFake(t)
	client := newClient(t, f)

	f.on(instancePath, answer(429, `{"code":"TooManyRequests","message":"x"}`, "Retry-After", "7"))
	_, err := client.GetInstance(context.Background(), instanceID)
	g.Expect(cloud.RetryAfterOf(err)).To(Equal(7 * time.Second))

	at := time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
	f.on(instancePath, answer(429, `{"code":"TooManyRequests","message":"x"}`, "Retry-After", at))
	_, err = newClient(t, f).GetInstance(context.Background(), instanceID)
	g.Expect(cloud.RetryAfterOf(err)).To(BeNumerically("~", time.Hour, 10*time.Minute))
}

func TestNobodyAnswers(t *testing.T) {
	g := NewWithT(t)
	f := newFake(t)
	client := newClient(t, f)
	f.Close()

	_, err := client.GetInstance(context.Background(), instanceID)

	g.Expect(cloud.KindOf(err)).To(Equal(cloud.Unavailable), "%v", err)
}

func TestAnswerThatTakesTooLong(t *testing.T) {
	g := NewWithT(t)
	f := newFake(t)
	f.on(instancePath, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	client := newClient(t, f, func(c *oci.Config) { c.RequestTimeout = 50 * time.Millisecond })

	_, err := client.GetInstance(context.Background(), instanceID)

	g.Expect(cloud.KindOf(err)).To(Equal(cloud.Unavailable), "%v", err)
	g.Expect(err.Error()).To(ContainSubstring("no answer in time"))
	g.Expect(errors.Is(err, context.DeadlineExceeded)).To(BeTrue())
}

func TestCancellationPassesThrough(t *testing.T) {
	g := NewWithT(t)
	f := newFake(t)
	ctx, cancel := context.WithCancel(context.Background())
	f.on(instancePath, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})

	_, err := newClient(t, f).GetInstance(ctx, instanceID)

	g.Expect(errors.Is(err, context.Canceled)).To(BeTrue(), "%v", err)
	g.Expect(cloud.KindOf(err)).To(Equal(cloud.Unknown))
}

func TestAnswerThatCannotBeRead(t *testing.T) {
	g := NewWithT(t)
	f := newFake(t)
	f.on(instancePath, answer(200, `<html>log in here, token=abcdefghijkl</html>`))

	_, err := newClient(t, f).GetInstance(context.Background(), instanceID)

	g.Expect(cloud.KindOf(err)).To(Equal(cloud.Unavailable))
	g.Expect(err.Error()).To(Equal("GetInstance: 200 Unavailable: the service's answer cannot be read (request ID req-1)"))
}

func TestRedirectIsNoEmptyList(t *testing.T) {
	g := NewWithT(t)
	f := newFake(t)
	f.on("GET /20160918/instances", answer(302, `[]`, "Location", f.URL+"/elsewhere"))

	_, err := newClient(t, f).ListInstances(context.Background())

	g.Expect(cloud.KindOf(err)).To(Equal(cloud.Unavailable), "%v", err)
	g.Expect(f.seen()).To(HaveLen(1))
}

func TestIDsCannotLeadElsewhere(t *testing.T) {
	for _, id := range []string{"", "..", "a/b", "a?b", "a%2Fb", "ocid1.instance.oc1..a#", "a b"} {
		t.Run(id, func(t *testing.T) {
			g := NewWithT(t)
			f := newFake(t)

			_, err := newClient(t, f).GetInstance(context.Background(), id)

			g.Expect(cloud.KindOf(err)).To(Equal(cloud.InvalidRequest))
			g.Expect(f.seen()).To(BeEmpty())
		})
	}
}

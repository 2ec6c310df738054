// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
)

const serviceDown = `{"code":"ServiceUnavailable","message":"x"}`

// instancePages answers with one instance per page.
func instancePages(pages int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		page := 0
		_, _ = fmt.Sscan(r.URL.Query().Get("page"), &page)
		if page+1 < pages {
			w.Header().Set("Opc-Next-Page", fmt.Sprint(page+1))
		}
		_, _ = fmt.Fprintf(w, `[{"id":"ocid1.instance.oc1..%d","lifecycleState":"TERMINATED"}]`, page)
	}
}

func TestListsAreReadToTheEnd(t *testing.T) {
	g := NewWithT(t)
	f := newFake(t)
	f.on("GET /20160918/instances", instancePages(3))

	instances, err := newClient(t, f).ListInstances(context.Background())

	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(instances).To(HaveLen(3))
	g.Expect(instances[2].ID).To(Equal("ocid1.instance.oc1..2"))
	g.Expect(instances[2].State).To(Equal(oci.StateTerminated))
	g.Expect(f.seen()).To(HaveLen(3))
	g.Expect(f.seen()[0].query).To(HaveKeyWithValue("compartmentId", []string{compartmentID}))
}

func TestHalfAListIsAnError(t *testing.T) {
	g := NewWithT(t)
	f := newFake(t)
	pages := instancePages(3)
	f.on("GET /20160918/instances", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("page") == "2" {
			answer(503, serviceDown)(w, r)
			return
		}
		pages(w, r)
	})

	instances, err := newClient(t, f).ListInstances(context.Background())

	g.Expect(cloud.KindOf(err)).To(Equal(cloud.Unavailable))
	g.Expect(instances).To(BeNil())
}

func TestPageThatNamesItselfEndsTheList(t *testing.T) {
	g := NewWithT(t)
	f := newFake(t)
	f.on("GET /20160918/instances", answer(200, `[]`, "Opc-Next-Page", "again"))

	_, err := newClient(t, f).ListInstances(context.Background())

	g.Expect(cloud.KindOf(err)).To(Equal(cloud.Unavailable))
	g.Expect(f.seen()).To(HaveLen(2))
}

// Identity's operations retry eight times by the SDK's default, and its client has a circuit
// breaker.
func TestNothingIsRetriedAndNoCircuitOpens(t *testing.T) {
	g := NewWithT(t)
	f := newFake(t)
	f.on("GET /20160918/availabilityDomains", answer(503, serviceDown))
	client := newClient(t, f)

	for range 15 {
		_, err := client.AvailabilityDomains(context.Background())
		g.Expect(err).To(HaveOccurred())
	}

	g.Expect(f.seen()).To(HaveLen(15))
}

func TestEnvironmentDoesNotTurnRetriesOn(t *testing.T) {
	t.Setenv("OCI_SDK_DEFAULT_RETRY_ENABLED", "true")
	t.Setenv("OCI_SDK_DEFAULT_CIRCUITBREAKER_ENABLED", "true")
	g := NewWithT(t)
	f := newFake(t)
	f.on(instancePath, answer(500, `{"code":"InternalServerError","message":"x"}`))

	_, err := newClient(t, f).GetInstance(context.Background(), instanceID)

	g.Expect(cloud.KindOf(err)).To(Equal(cloud.Unavailable))
	g.Expect(f.seen()).To(HaveLen(1))
}

func TestCallsAreLoggedWithoutBodiesAndSignatures(t *testing.T) {
	g := NewWithT(t)
	f := newFake(t)
	f.on(instancePath, answer(200, `{"id":"`+instanceID+`","metadata":{"user_data":"c2VjcmV0"}}`))
	var lines []string
	sink := funcr.New(func(_, args string) { lines = append(lines, args) }, funcr.Options{Verbosity: 4})

	_, err := newClient(t, f).GetInstance(logr.NewContext(context.Background(), sink), instanceID)

	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(lines).To(HaveLen(1))
	g.Expect(lines[0]).To(And(
		ContainSubstring(`"operation"="GetInstance"`), ContainSubstring(`"status"=200`),
		ContainSubstring(`"requestID"="req-1"`), ContainSubstring(`"OCIAccount"={"name"="alpha"}`), ContainSubstring(`"duration"=`),
		Not(ContainSubstring("c2VjcmV0")), Not(ContainSubstring("Signature"))))
}

func TestCallsAreNotLoggedBelowTheirLevel(t *testing.T) {
	g := NewWithT(t)
	f := newFake(t)
	f.on(instancePath, answer(200, `{}`))
	sink := funcr.New(func(_, args string) { t.Errorf("logged %s", args) }, funcr.Options{Verbosity: 3})

	_, err := newClient(t, f).GetInstance(logr.NewContext(context.Background(), sink), instanceID)

	g.Expect(err).NotTo(HaveOccurred())
}

// samples flattens a counter into "label values" and its value.
func samples(t *testing.T, registry *prometheus.Registry, name string) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	out := map[string]float64{}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, metric := range family.GetMetric() {
			labels := ""
			for _, label := range metric.GetLabel() {
				labels += label.GetName() + "=" + label.GetValue() + " "
			}
			out[labels] = metric.GetCounter().GetValue() + float64(metric.GetHistogram().GetSampleCount())
		}
	}
	return out
}

func TestCallsAreCounted(t *testing.T) {
	g := NewWithT(t)
	registry := prometheus.NewRegistry()
	metrics, err := oci.NewMetrics(registry)
	g.Expect(err).NotTo(HaveOccurred())
	f := newFake(t)
	f.on("GET /20160918/instances", instancePages(2))
	f.on(instancePath, answer(500, `{"code":"InternalError","message":"Out of host capacity."}`))
	client := newClient(t, f, func(c *oci.Config) { c.Metrics = metrics })

	_, _ = client.ListInstances(context.Background())
	_, _ = client.GetInstance(context.Background(), instanceID)

	g.Expect(samples(t, registry, "capom_oci_requests_total")).To(Equal(map[string]float64{
		"account=alpha code=OK operation=ListInstances service=compute ":          2,
		"account=alpha code=OutOfCapacity operation=GetInstance service=compute ": 1,
	}))
	g.Expect(samples(t, registry, "capom_oci_request_duration_seconds")).To(Equal(map[string]float64{
		"account=alpha operation=ListInstances service=compute ": 2, "account=alpha operation=GetInstance service=compute ": 1,
	}))
}

func TestMetricsAreRegisteredOnce(t *testing.T) {
	g := NewWithT(t)
	registry := prometheus.NewRegistry()
	_, err := oci.NewMetrics(registry)
	g.Expect(err).NotTo(HaveOccurred())

	_, err = oci.NewMetrics(registry)

	g.Expect(err).To(MatchError(ContainSubstring("registering OCI metrics")))
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

const always = 1 << 30

func TestAServerThatDoesNotAnswerIsLeftAloneUntilACheckFindsItWell(t *testing.T) {
	g := NewWithT(t)
	server := newServer(t)
	registry := prometheus.NewRegistry()
	client := newClient(t, server, func(c *tailnet.Config) {
		c.Limits, c.Name, c.Metrics = tailnet.Limits{Failures: 3, Cooldown: time.Hour}, "t1", registry
	})
	server.Inject(tailnetsim.Fault{Status: http.StatusBadGateway, Message: "busy", Times: always})
	for range 3 {
		_, err := client.Devices(t.Context())
		g.Expect(cloud.WasNotSent(err)).To(BeFalse())
	}
	asked := len(server.Calls())

	_, err := client.RecentDevices(t.Context(), time.Hour)

	g.Expect(cloud.KindOf(err)).To(Equal(cloud.Unavailable))
	g.Expect(cloud.WasNotSent(err)).To(BeTrue())
	g.Expect(cloud.RetryAfterOf(err)).To(BeNumerically(">", 0))
	g.Expect(err).To(MatchError(ContainSubstring("busy")), "it says why")
	g.Expect(server.Calls()).To(HaveLen(asked), "nothing was sent")
	g.Expect(testutil.GatherAndCompare(registry, strings.NewReader(`
		# HELP capom_tailnet_held_back_total Requests to the control servers of tailnets that were not sent, by tailnet, operation and reason.
		# TYPE capom_tailnet_held_back_total counter
		capom_tailnet_held_back_total{operation="ListDevices",reason="circuit",tailnet="t1"} 1
	`), "capom_tailnet_held_back_total")).To(Succeed())

	server.ClearFaults()
	g.Expect(client.Check(t.Context(), tailnet.CheckSpec{})).To(Succeed())
	_, err = client.Devices(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
}

func TestARefusalIsAnAnswer(t *testing.T) {
	g := NewWithT(t)
	server := newServer(t)
	client := newClient(t, server, func(c *tailnet.Config) { c.Limits = tailnet.Limits{Failures: 1, Cooldown: time.Hour} })
	_, err := client.Device(t.Context(), "nobody")
	g.Expect(tailnet.IsNotFound(err)).To(BeTrue())

	_, err = client.Devices(t.Context())

	g.Expect(err).NotTo(HaveOccurred())
}

// A hanging server may hold as many of a controller's workers as it has calls in flight, not one
// for each machine's request.
func TestNobodyWaitsLongForAServerThatHangs(t *testing.T) {
	for name, ask := range map[string]func(*testing.T, *tailnet.Client, int) error{
		"for a list that all share": func(t *testing.T, client *tailnet.Client, i int) error {
			_, err := client.RecentDevices(t.Context(), 0)
			return err
		},
		"for calls of their own": func(t *testing.T, client *tailnet.Client, i int) error {
			_, err := client.Device(t.Context(), fmt.Sprint(i))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			server := newServer(t)
			client := newClient(t, server, func(c *tailnet.Config) {
				c.Limits, c.Timeout = tailnet.Limits{InFlight: 2, Turn: 50 * time.Millisecond}, time.Minute
			})
			server.Inject(tailnetsim.Fault{Delay: time.Minute, Times: always})
			const callers = 20
			refusals := make(chan error, callers)
			for i := range callers {
				go func() { refusals <- ask(t, client, i) }()
			}

			for range callers - 2 {
				var err error
				g.Eventually(refusals).WithTimeout(time.Minute).Should(Receive(&err))
				g.Expect(cloud.KindOf(err)).To(Equal(cloud.Throttled))
				g.Expect(cloud.WasNotSent(err)).To(BeTrue())
				g.Expect(err).To(MatchError(ContainSubstring("slow")))
			}
			g.Expect(len(server.Calls())).To(BeNumerically("<=", 2))
		})
	}
}

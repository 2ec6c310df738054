// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet_test

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

// answerJSON is how a gateway answers what it does not pass on.
func answerJSON(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = fmt.Fprint(w, body)
}

// at is a client of the server at the address.
func at(t *testing.T, address string) *tailnet.Client {
	t.Helper()
	client, err := tailnet.New(tailnet.Config{APIURL: address, APIKey: apiKey})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return client
}

// firstCalls are calls that may be a client's first.
var firstCalls = map[string]func(context.Context, *tailnet.Client, string) error{
	"a list of devices": func(ctx context.Context, c *tailnet.Client, _ string) error { _, err := c.Devices(ctx); return err },
	"a list of keys":    func(ctx context.Context, c *tailnet.Client, _ string) error { _, err := c.Keys(ctx); return err },
	"a creation": func(ctx context.Context, c *tailnet.Client, _ string) error {
		_, err := c.CreateKey(ctx, tailnet.KeySpec{Tags: []string{nodeTag}})
		return err
	},
	"a deletion": func(ctx context.Context, c *tailnet.Client, id string) error {
		return c.DeleteDevice(ctx, ownership.Recorded(id))
	},
	"a key's end": func(ctx context.Context, c *tailnet.Client, _ string) error {
		return c.RevokeKey(ctx, ownership.Recorded("4711"))
	},
	"a route's end": func(ctx context.Context, c *tailnet.Client, id string) error {
		return c.DisableRoutes(ctx, ownership.Recorded(id))
	},
}

func TestAGatewayThatAnswersOtherPathsInJSONHidesNoAPI(t *testing.T) {
	for name, call := range firstCalls {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			server := newServer(t, inMode(tailnetsim.Headscale029))
			device := server.Add("node-1", func(*tailnetsim.Device) {})
			client := at(t, answering(t, func(w http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.URL.Path, "/api/v1/") {
					server.Handler().ServeHTTP(w, r)
					return
				}
				answerJSON(w, http.StatusNotFound, `{"message":"no Route matched with those values"}`)
			}))

			g.Expect(call(t.Context(), client, device.ID)).To(Succeed())

			g.Expect(server.Devices()).To(HaveLen(map[bool]int{true: 0, false: 1}[name == "a deletion"]))
			g.Expect(client.DescribesKeys()).To(BeFalse(), "v1 is used")
		})
	}
}

// A path that a gateway has no server for is a failure to some of them.
func TestAGatewayThatFailsOnOneAPIHidesNotTheOther(t *testing.T) {
	for name, call := range firstCalls {
		for _, status := range []int{500, 502, 503, 504} {
			t.Run(fmt.Sprint(name, ", ", status), func(t *testing.T) {
				g := NewWithT(t)
				server := newServer(t, inMode(tailnetsim.Headscale029))
				device := server.Add("node-1", func(*tailnetsim.Device) {})
				client := at(t, answering(t, func(w http.ResponseWriter, r *http.Request) {
					if strings.HasPrefix(r.URL.Path, "/api/v1/") {
						server.Handler().ServeHTTP(w, r)
						return
					}
					w.WriteHeader(status)
				}))
				g.Expect(call(t.Context(), client, device.ID)).To(Succeed())
				g.Expect(client.DescribesKeys()).To(BeFalse(), "v1 is used")

				fresh := at(t, answering(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
				g.Expect(tailnet.ReasonOf(call(t.Context(), fresh, device.ID))).To(Equal(tailnet.ReasonServerError), "a server in trouble is one")
			})
		}
	}
}

func TestNothingIsGoneBehindAGatewayThatPassesNothingOn(t *testing.T) {
	for name, call := range firstCalls {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			client := at(t, answering(t, func(w http.ResponseWriter, _ *http.Request) {
				answerJSON(w, http.StatusNotFound, `{"message":"no such page"}`)
			}))

			g.Expect(tailnet.ReasonOf(call(t.Context(), client, "7"))).To(Equal(tailnet.ReasonNotControlServer))
		})
	}
}

// A page of maintenance may be JSON too, with status 200. Taken for an empty tailnet, it would have
// lost all machines, and let go those that are deleted.
func TestAnAnswerWithoutTheListIsNoEmptyTailnet(t *testing.T) {
	for name, mode := range map[string]tailnetsim.Mode{"v1": tailnetsim.Headscale029, "v2": tailnetsim.Tailscale} {
		for _, body := range []string{`{}`, `{"status":"maintenance"}`, `{"items":[]}`} {
			t.Run(name+", "+body, func(t *testing.T) {
				g := NewWithT(t)
				server := newServer(t, inMode(mode))
				server.Add("node-1", func(*tailnetsim.Device) {})
				closed := false
				client := at(t, answering(t, func(w http.ResponseWriter, r *http.Request) {
					if closed {
						answerJSON(w, http.StatusOK, body)
						return
					}
					server.Handler().ServeHTTP(w, r)
				}))
				g.Expect(client.Devices(t.Context())).To(HaveLen(1))
				g.Expect(client.Keys(t.Context())).To(BeEmpty())

				closed = true
				_, err := client.Devices(t.Context())
				g.Expect(tailnet.ReasonOf(err)).To(Equal(tailnet.ReasonNotControlServer), "%v", err)
				_, err = client.Keys(t.Context())
				g.Expect(tailnet.ReasonOf(err)).To(Equal(tailnet.ReasonNotControlServer), "%v", err)

				closed = false
				g.Expect(client.Devices(t.Context())).To(HaveLen(1))
			})
		}
	}
}

func TestAPageOfMaintenanceThatEndsWithTheSecondQuestionIsNoFailure(t *testing.T) {
	for name, mode := range map[string]tailnetsim.Mode{"v1": tailnetsim.Headscale029, "v2": tailnetsim.Tailscale} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			server := newServer(t, inMode(mode))
			pages := 0
			client := at(t, answering(t, func(w http.ResponseWriter, r *http.Request) {
				if pages--; pages >= 0 {
					answerJSON(w, http.StatusOK, `{}`)
					return
				}
				server.Handler().ServeHTTP(w, r)
			}))
			g.Expect(client.Devices(t.Context())).To(BeEmpty())
			server.Add("node-1", func(*tailnetsim.Device) {})

			pages = 1
			devices, err := client.Devices(t.Context())
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(devices).To(HaveLen(1))
		})
	}
}

func TestAListThatAGatewayLeavesOutAsItIsEmptyIsEmpty(t *testing.T) {
	g := NewWithT(t)
	client := at(t, answering(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/version":
			answerJSON(w, http.StatusOK, `{"version":"v0.29.2","commit":"0123456"}`)
		case strings.HasPrefix(r.URL.Path, "/api/v1/"):
			answerJSON(w, http.StatusOK, `{}`)
		default:
			answerJSON(w, http.StatusNotFound, `{"code":5,"message":"not found"}`)
		}
	}))
	g.Expect(client.Devices(t.Context())).To(BeEmpty())
	g.Expect(client.Keys(t.Context())).To(BeEmpty())
}

func TestAnEmptyListIsAListHoweverItIsWritten(t *testing.T) {
	const headscale = `{"version":"v0.29.2","commit":"0123456"}`
	for name, test := range map[string]struct {
		path, body, version string
		reason              tailnet.Reason
	}{
		"no keys":                           {"/api/v1/preauthkey", `{"preAuthKeys":[]}`, `{}`, ""},
		"null for keys":                     {"/api/v1/preauthkey", `{"preAuthKeys":null}`, `{}`, ""},
		"no field, of Headscale":            {"/api/v1/preauthkey", `{}`, headscale, ""},
		"no field, of something else":       {"/api/v1/preauthkey", `{}`, `{}`, tailnet.ReasonNotControlServer},
		"another field, though Headscale's": {"/api/v1/preauthkey", `{"hello":"world"}`, headscale, tailnet.ReasonNotControlServer},
		"keys that are no list":             {"/api/v1/preauthkey", `{"preAuthKeys":7}`, headscale, tailnet.ReasonNotControlServer},
		"null for devices of v2":            {"/api/v2/tailnet/-/devices", `{"devices":null}`, `{}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			client := at(t, answering(t, func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case test.path:
					answerJSON(w, http.StatusOK, test.body)
				case "/version":
					answerJSON(w, http.StatusOK, test.version)
				default:
					answerJSON(w, http.StatusNotFound, `{"code":5,"message":"not found"}`)
				}
			}))

			err := client.DeleteDevice(t.Context(), ownership.Recorded("7"))

			g.Expect(tailnet.ReasonOf(err)).To(Equal(test.reason), "%v", err)
		})
	}
}

// A proxy may fail on the path of the API v2 alone.
func TestOnlyAnAnswerOfV2MovesACheckFromV1(t *testing.T) {
	for name, status := range map[string]int{"a failure": 502, "too many requests": 429, "a refusal": 403, "an unknown key": 401, "nothing there": 404} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			server := newServer(t, inMode(tailnetsim.Headscale029))
			var spoilt bool
			client := at(t, answering(t, func(w http.ResponseWriter, r *http.Request) {
				if spoilt && strings.HasPrefix(r.URL.Path, "/api/v2/") {
					answerJSON(w, status, `{"message":"of the proxy"}`)
					return
				}
				server.Handler().ServeHTTP(w, r)
			}))
			g.Expect(client.Check(t.Context(), fullCheck)).To(Succeed())
			spoilt = true

			g.Expect(client.Check(t.Context(), fullCheck)).To(Succeed())

			g.Expect(client.DescribesKeys()).To(BeFalse(), "v1 is used")
		})
	}
}

func TestAnEmptyAnswerIsSuccessWhereNoneIsWanted(t *testing.T) {
	g := NewWithT(t)
	client := at(t, answersV1(t, "DELETE /api/v1/node/7", http.StatusNoContent, "", ""))
	g.Expect(client.DeleteDevice(t.Context(), ownership.Recorded("7"))).To(Succeed())

	client = at(t, answersV1(t, "/api/v1/node/7", http.StatusOK, "", ""))
	_, err := client.Device(t.Context(), "7")
	g.Expect(tailnet.ReasonOf(err)).To(Equal(tailnet.ReasonNotControlServer), "a device is wanted")
}

func TestADeviceThatCannotBeReadHidesNoOther(t *testing.T) {
	const (
		ofV1 = `{"nodes":[{"id":"7","name":"odd","ipAddresses":["100.64.0.7","fd7a::zz"],"availableRoutes":["10.0.0.0"],"approvedRoutes":["10.1.0.0/16","?"]},
			{"id":"8","name":"own","ipAddresses":["100.64.0.8"]}]}`
		ofV2 = `{"devices":[{"id":"7","hostname":"odd","addresses":["100.64.0.7","fd7a::zz"],"advertisedRoutes":["10.0.0.0"],"enabledRoutes":["10.1.0.0/16","?"]},
			{"id":"8","hostname":"own","addresses":["100.64.0.8"]}]}`
		nodeOfV1   = `{"node":{"id":"7","approvedRoutes":["10.1.0.0/16","?"]}}`
		routesOfV2 = `{"advertisedRoutes":[],"enabledRoutes":["10.1.0.0/16","?"]}`
	)
	for name, address := range map[string]string{
		"v1": answering(t, func(w http.ResponseWriter, r *http.Request) {
			body, known := map[string]string{"/api/v1/preauthkey": `{"preAuthKeys":[]}`, "/api/v1/node": ofV1, "/api/v1/node/7": nodeOfV1}[r.URL.Path]
			answerJSON(w, map[bool]int{true: 200, false: 404}[known], body)
		}),
		"v2": answering(t, func(w http.ResponseWriter, r *http.Request) {
			answerJSON(w, 200, map[bool]string{true: ofV2, false: routesOfV2}[strings.HasSuffix(r.URL.Path, "/devices")])
		}),
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			client := at(t, address)

			devices, err := client.Devices(t.Context())

			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(devices).To(HaveLen(2))
			g.Expect(devices[0].Addresses).To(HaveExactElements(netip.MustParseAddr("100.64.0.7")))
			g.Expect(devices[0].Routes).To(Equal(tailnet.Routes{Enabled: []netip.Prefix{prefix("10.1.0.0/16")}}))
			g.Expect(devices[1].IPv4()).To(Equal(netip.MustParseAddr("100.64.0.8")))
			err = client.ApproveRoutes(t.Context(), ownership.Recorded("7"), prefix("10.250.0.1/32"))
			g.Expect(err).To(MatchError(ContainSubstring("description of device 7 is malformed")), "else the route that others approved were lost")
		})
	}
}

// The server does not name the tag.
func TestATagWithCapitalsIsToldAsOneToWriteInLowerCase(t *testing.T) {
	g := NewWithT(t)
	client := at(t, answersV1(t, "POST /api/v1/preauthkey", 400, "application/json", `{"code":3,"message":"tag should be lowercase","details":[]}`))

	_, err := client.CreateKey(t.Context(), tailnet.KeySpec{Tags: []string{nodeTag, "tag:Blue"}})

	g.Expect(tailnet.ReasonOf(err)).To(Equal(tailnet.ReasonTagRefused))
	g.Expect(err).To(MatchError(And(ContainSubstring("the tailnet refuses tag:Blue,"), ContainSubstring("lower case"))))
}

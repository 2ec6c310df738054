// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetsim_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

// releases are the modes with the API v1 that a client uses.
var releases = []tailnetsim.Mode{tailnetsim.Headscale029, tailnetsim.Headscale028}

func eachRelease(t *testing.T, run func(t *testing.T, w *world)) {
	t.Helper()
	for _, mode := range releases {
		t.Run(string(mode), func(t *testing.T) { run(t, newWorld(t, tailnetsim.Options{Mode: mode, Users: []string{"ana"}})) })
	}
}

// node is what the API shows of one, as far as these tests look.
type node struct {
	ID, Name, GivenName                           string
	Online                                        bool
	ApprovedRoutes, AvailableRoutes, SubnetRoutes []string
	Tags                                          []string
	Expiry                                        *time.Time
	User                                          *struct{ ID, Name string }
	PreAuthKey                                    *struct {
		ID         string
		Expiration time.Time
	}
}

// call makes a call of API v1 and returns the status and, if there is one, the error's text.
func (w *world) call(method, path, body string, into any) (int, string) {
	w.t.Helper()
	var r recorded
	r.Request.Method, r.Request.Path, r.Request.Body = method, "/api/v1"+path, body
	status, _, answer := w.repeat(r)
	if status != http.StatusOK {
		return status, answer
	}
	if into != nil {
		NewWithT(w.t).Expect(json.Unmarshal([]byte(answer), into)).To(Succeed())
	}
	return status, ""
}

// v1Mint makes a key that lives for an hour.
func (w *world) v1Mint(fields string) (id, secret string) {
	w.t.Helper()
	var made struct{ PreAuthKey struct{ ID, Key string } }
	body := fmt.Sprintf(`{%s,"expiration":%q}`, fields, w.now.Add(time.Hour).Format(time.RFC3339))
	status, refused := w.call("POST", "/preauthkey", body, &made)
	NewWithT(w.t).Expect(status).To(Equal(http.StatusOK), refused)
	return made.PreAuthKey.ID, made.PreAuthKey.Key
}

func (w *world) v1Join(hostname string, routes ...string) tailnetsim.Device {
	w.t.Helper()
	g := NewWithT(w.t)
	_, secret := w.v1Mint(`"aclTags":["tag:node"]`)
	device, err := w.Register(secret, hostname)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(w.Advertise(device.ID, prefixes(routes...)...)).To(Succeed())
	return device
}

func (w *world) approve(id string, routes ...string) node {
	w.t.Helper()
	body, err := json.Marshal(map[string][]string{"routes": routes})
	g := NewWithT(w.t)
	g.Expect(err).NotTo(HaveOccurred())
	var answer struct{ Node node }
	status, refused := w.call("POST", "/node/"+id+"/approve_routes", string(body), &answer)
	g.Expect(status).To(Equal(http.StatusOK), refused)
	return answer.Node
}

func (w *world) nodes() []node {
	w.t.Helper()
	var answer struct{ Nodes []node }
	status, refused := w.call("GET", "/node", "", &answer)
	NewWithT(w.t).Expect(status).To(Equal(http.StatusOK), refused)
	return answer.Nodes
}

// serving tells which node serves which routes, as "1: a b".
func (w *world) serving() []string {
	w.t.Helper()
	var out []string
	for _, n := range w.nodes() {
		if len(n.SubnetRoutes) > 0 {
			out = append(out, n.ID+": "+strings.Join(n.SubnetRoutes, " "))
		}
	}
	return out
}

func TestApprovalReplacesTheWholeSet(t *testing.T) {
	eachRelease(t, func(t *testing.T, w *world) {
		device := w.v1Join("md-0-abc", "10.244.1.0/24", "100.100.7.7/32")
		for _, step := range []struct{ asked, approved, served []string }{
			{[]string{"10.244.1.0/24"}, []string{"10.244.1.0/24"}, []string{"10.244.1.0/24"}},
			{[]string{"100.100.7.7/32"}, []string{"100.100.7.7/32"}, []string{"100.100.7.7/32"}},
			{[]string{"100.100.7.7/32", "10.9.0.0/16"}, []string{"10.9.0.0/16", "100.100.7.7/32"}, []string{"100.100.7.7/32"}},
			{[]string{"10.244.1.7/24"}, []string{"10.244.1.7/24"}, []string{}},
			{[]string{"0.0.0.0/0"}, []string{"0.0.0.0/0", "::/0"}, []string{}},
			{[]string{}, []string{}, []string{}},
		} {
			g := NewWithT(t)
			got := w.approve(device.ID, step.asked...)
			g.Expect(got.ApprovedRoutes).To(Equal(step.approved), "%v", step.asked)
			g.Expect(got.SubnetRoutes).To(Equal(step.served), "%v", step.asked)
			g.Expect(got.AvailableRoutes).To(Equal([]string{"10.244.1.0/24", "100.100.7.7/32"}))
		}
	})
}

func TestOnlyTheListTellsWhatANodeServes(t *testing.T) {
	eachRelease(t, func(t *testing.T, w *world) {
		g := NewWithT(t)
		device := w.v1Join("exit", "10.244.1.0/24", "0.0.0.0/0", "::/0")
		w.approve(device.ID, "0.0.0.0/0", "10.244.1.0/24")

		g.Expect(w.serving()).To(Equal([]string{"1: 10.244.1.0/24 0.0.0.0/0 ::/0"}))
		var answer struct{ Node node }
		status, _ := w.call("GET", "/node/"+device.ID, "", &answer)
		g.Expect(status).To(Equal(http.StatusOK))
		g.Expect(answer.Node.SubnetRoutes).To(BeEmpty())
		g.Expect(answer.Node.User).To(BeNil())
		g.Expect(w.nodes()[0].User).To(HaveField("Name", "tagged-devices"))
	})
}

func TestANodeNamesItsKeyUntilThatIsDestroyed(t *testing.T) {
	for name, end := range map[string]struct {
		method, path string
		body         string
		known        bool
	}{
		"expired":   {"POST", "/preauthkey/expire", `{"id":"1"}`, true},
		"destroyed": {"DELETE", "/preauthkey?id=1", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			eachRelease(t, func(t *testing.T, w *world) {
				g := NewWithT(t)
				w.v1Join("md-0-abc")
				status, refused := w.call(end.method, end.path, end.body, nil)
				g.Expect(status).To(Equal(http.StatusOK), refused)

				g.Expect(w.nodes()).To(ConsistOf(HaveField("PreAuthKey.ID", "1")), "it is in memory")
				w.Restart()
				if end.known {
					g.Expect(w.nodes()).To(ConsistOf(HaveField("PreAuthKey.Expiration", BeTemporally("==", w.now))))
				} else {
					g.Expect(w.nodes()).To(ConsistOf(HaveField("PreAuthKey", BeNil())))
				}
			})
		})
	}
}

func TestMachinesAreRefusedByKeysOfV1(t *testing.T) {
	for name, world := range map[string]struct {
		fields  string
		spoil   func(w *world, id, secret string)
		message string
	}{
		"used":       {`"aclTags":["tag:x"]`, func(w *world, _, secret string) { _, _ = w.Register(secret, "first") }, "authkey already used"},
		"expired":    {`"aclTags":["tag:x"]`, func(w *world, _, _ string) { w.now = w.now.Add(time.Hour) }, "authkey expired"},
		"ended":      {`"aclTags":["tag:x"]`, func(w *world, id, _ string) { w.call("POST", "/preauthkey/expire", `{"id":`+id+`}`, nil) }, "authkey expired"},
		"destroyed":  {`"aclTags":["tag:x"]`, func(w *world, id, _ string) { w.call("DELETE", "/preauthkey?id="+id, "", nil) }, ""},
		"of no time": {`"aclTags":["tag:x"],"expiration":null`, nil, "authkey expired"},
	} {
		t.Run(name, func(t *testing.T) {
			for mode, unknown := range map[tailnetsim.Mode]string{
				tailnetsim.Headscale029: "invalid pre auth key", tailnetsim.Headscale028: "handling register with auth key: auth-key not found",
			} {
				g := NewWithT(t)
				w := newWorld(t, tailnetsim.Options{Mode: mode})
				var secret string
				if world.spoil == nil {
					var made struct{ PreAuthKey struct{ Key string } }
					w.call("POST", "/preauthkey", "{"+world.fields+"}", &made)
					secret = made.PreAuthKey.Key
				} else {
					var id string
					id, secret = w.v1Mint(world.fields)
					world.spoil(w, id, secret)
				}
				before := len(w.Devices())

				_, err := w.Register(secret, "late")

				message := world.message
				if message == "" {
					message = unknown
				}
				g.Expect(err).To(MatchError(message))
				g.Expect(w.Devices()).To(HaveLen(before))
				g.Expect(w.Leftovers().Keys).To(BeEmpty())
			}
		})
	}
}

func TestNodesOfTheSameNameAndOfPeople(t *testing.T) {
	for mode, second := range map[tailnetsim.Mode]string{tailnetsim.Headscale029: "host-1", tailnetsim.Headscale028: "host-[a-z0-9]{8}"} {
		t.Run(string(mode), func(t *testing.T) {
			g := NewWithT(t)
			w := newWorld(t, tailnetsim.Options{Mode: mode, Users: []string{"fleet", "ana"}})
			w.v1Join("host")
			w.v1Join("host")
			_, secret := w.v1Mint(`"user":2`)
			_, err := w.Register(secret, "laptop")
			g.Expect(err).NotTo(HaveOccurred())
			expires := w.now.Add(time.Hour)
			w.Add("phone", func(d *tailnetsim.Device) { d.User, d.Expires = "ben", expires })

			nodes := w.nodes()
			g.Expect(nodes).To(HaveLen(4))
			g.Expect(nodes[1].Name).To(Equal("host"))
			g.Expect(nodes[1].GivenName).To(MatchRegexp("^" + second + "$"))
			g.Expect(nodes[2].User).To(HaveField("Name", "ana"))
			g.Expect(nodes[2].Tags).To(BeEmpty())
			g.Expect(nodes[3].User).To(HaveField("ID", "3"))
			g.Expect(nodes[3].Expiry).To(HaveValue(BeTemporally("==", expires)))
			g.Expect(nodes[0].Expiry).To(BeNil())
		})
	}
}

func TestV1RefusesAsGRPCGatewayDoes(t *testing.T) {
	eachRelease(t, func(t *testing.T, w *world) {
		w.v1Join("taken")
		w.v1Join("other")
		for path, want := range map[string]struct {
			method string
			status int
			text   string
		}{
			"/node/abc":                      {"GET", 400, "type mismatch, parameter: node_id"},
			"/preauthkey?id=abc":             {"DELETE", 400, "parsing field"},
			"/preauthkey/expire":             {"GET", 501, "Method Not Allowed"},
			"/node/2/rename/taken":           {"POST", 500, "node name is not unique: taken"},
			"/node?user=nobody":              {"GET", 500, "user not found"},
			"/node/1/approve_routes/nothing": {"POST", 404, "Not Found"},
		} {
			g := NewWithT(t)
			status, text := w.call(want.method, path, "", nil)
			g.Expect(status).To(Equal(want.status), path)
			g.Expect(text).To(ContainSubstring(want.text), path)
		}
	})
}

func TestFaultsHaveTheServersForm(t *testing.T) {
	eachRelease(t, func(t *testing.T, w *world) {
		g := NewWithT(t)
		w.Inject(tailnetsim.Fault{Operation: tailnetsim.OpListDevices, Status: 503})
		w.Inject(tailnetsim.Fault{Operation: tailnetsim.OpListDevices, Status: 401})

		status, text := w.call("GET", "/node", "", nil)
		g.Expect(status).To(Equal(503))
		g.Expect(text).To(ContainSubstring(`"code":14`))
		status, text = w.call("GET", "/node", "", nil)
		g.Expect(status).To(Equal(401))
		g.Expect(text).To(Equal("Unauthorized"))
	})
}

func TestHeadscaleBefore027CanBeTold(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, tailnetsim.Options{Mode: tailnetsim.Headscale026, Users: []string{"fleet"}})
	w.Add("laptop", func(d *tailnetsim.Device) { d.User, d.Tags = "fleet", []string{"tag:x"} })

	for path, want := range map[string]int{"/version": 404, "/health": 200, "/api/v2/tailnet/-/devices": 404} {
		status, _ := w.send(apiKey, "GET", path, "")
		g.Expect(status).To(Equal(want), path)
	}
	status, text := w.call("POST", "/preauthkey", `{"aclTags":["tag:x"]}`, nil)
	g.Expect(status).To(Equal(500))
	g.Expect(text).To(ContainSubstring("user not found"))
	_, body := w.send(apiKey, "GET", "/api/v1/node", "")
	g.Expect(body["nodes"]).To(ConsistOf(And(HaveKeyWithValue("forcedTags", ConsistOf("tag:x")), Not(HaveKey("tags")))))
	w.v1Mint(`"user":"1"`)
	_, body = w.send(apiKey, "GET", "/api/v1/preauthkey?user=1", "")
	g.Expect(body["preAuthKeys"]).To(HaveLen(1))
}

func TestThePolicyIsShownAsItActs(t *testing.T) {
	eachRelease(t, func(t *testing.T, w *world) {
		g := NewWithT(t)
		var answer struct{ Policy string }
		w.call("GET", "/policy", "", &answer)
		var policy struct {
			TagOwners     map[string][]string
			AutoApprovers struct{ Routes map[string][]string }
		}
		g.Expect(json.Unmarshal([]byte(answer.Policy), &policy)).To(Succeed())
		g.Expect(policy.TagOwners).To(HaveKeyWithValue(controlTag, []string{nodeTag}))
		g.Expect(policy.AutoApprovers.Routes).To(HaveKeyWithValue("10.250.0.0/16", []string{controlTag}))

		w.SetPolicyText("{} // nothing")
		w.call("GET", "/policy", "", &answer)
		g.Expect(answer.Policy).To(Equal("{} // nothing"))
		w.SetPolicyText("none")
		status, text := w.call("GET", "/policy", "", nil)
		g.Expect(status).To(Equal(500))
		g.Expect(text).To(ContainSubstring("reading policy from path"))
	})
}

func prefixes(texts ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, text := range texts {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}

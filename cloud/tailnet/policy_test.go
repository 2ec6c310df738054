// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet_test

import (
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

// needs are those of docs/policies.
func needs(change ...func(*tailnet.PolicyNeeds)) tailnet.PolicyNeeds {
	n := tailnet.PolicyNeeds{
		NodeTags: []string{"tag:mesh-node"}, ControlPlaneTags: []string{"tag:mesh-control-plane"},
		VIPRange: netip.MustParsePrefix("10.250.0.0/16"), VXLAN: true,
	}
	for _, apply := range change {
		apply(&n)
	}
	return n
}

func approving(n *tailnet.PolicyNeeds) { n.Approves = true }

func routing(n *tailnet.PolicyNeeds) {
	n.PodRanges, n.VXLAN = []netip.Prefix{netip.MustParsePrefix("10.244.0.0/16")}, false
}

// findings are what a server of the mode with the policy lets the client find.
func findings(t *testing.T, mode tailnetsim.Mode, policy string, n tailnet.PolicyNeeds) tailnet.PolicyFindings {
	t.Helper()
	server := newServer(t, inMode(mode))
	server.SetPolicyText(policy)
	found, err := newClient(t, server).Policy(t.Context(), n)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return found
}

func TestThePoliciesOfTheDocumentationLackNothing(t *testing.T) {
	files, err := filepath.Glob("../../docs/policies/*.hujson")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(files).NotTo(BeEmpty())
	for _, file := range files {
		for _, tailnetRoutes := range []bool{false, true} {
			t.Run(filepath.Base(file), func(t *testing.T) {
				g := NewWithT(t)
				raw, err := os.ReadFile(file)
				g.Expect(err).NotTo(HaveOccurred())
				text, mode, n := string(raw), tailnetsim.Headscale029, needs()
				if strings.Contains(text, `"acls"`) {
					mode = tailnetsim.Headscale028
				}
				if strings.Contains(text, `"autoApprovers"`) {
					n.Approves = true
				}
				if tailnetRoutes {
					text, n.VXLAN = strings.ReplaceAll(text, "//+ ", ""), false
				}

				g.Expect(findings(t, mode, text, n)).To(Equal(tailnet.PolicyFindings{}))
			})
		}
	}
}

const (
	nodeOwners = `"tagOwners": {"tag:mesh-node": ["group:ops"], "tag:mesh-control-plane": ["group:ops"]}, "groups": {"group:ops": ["ann@"]}, `
	cachedMaps = `"nodeAttrs": [{"target": ["*"], "attr": ["cache-network-maps"]}], `
	openGrants = `"grants": [{"src": ["*"], "dst": ["*"], "ip": ["*"]}], `
)

var lackingPolicies = map[string]struct {
	policy string
	mode   tailnetsim.Mode
	needs  tailnet.PolicyNeeds
	lacks  []string
	// foreign are approvers that have to go.
	foreign []string
	nobody  bool
}{
	"nothing": {policy: nodeOwners + cachedMaps + openGrants},
	"owners": {
		policy: cachedMaps + openGrants + `"tagOwners": {"tag:mesh-node": ["ann@"]}`,
		lacks:  []string{`tagOwners: "tag:mesh-control-plane": ["ann@"]`},
	},
	"owners, and there are groups": {
		policy: cachedMaps + openGrants + `"groups": {"group:guests": ["bob@"], "group:ops": ["ann@"]}, "tagOwners": {"tag:printer": ["group:guests"]}`,
		lacks:  []string{`tagOwners: "tag:mesh-control-plane": ["group:capom-admins"], "tag:mesh-node": ["group:capom-admins"]`},
	},
	"owners, and a tag is the nodes'": {
		policy: cachedMaps + openGrants + `"tagOwners": {"tag:mesh-node": ["group:ops", "tag:mesh-control-plane", "tag:capom"], "tag:capom": ["ann@"]}`,
		lacks:  []string{`tagOwners: "tag:mesh-control-plane": ["tag:capom"]`},
	},
	"every rule": {
		policy: nodeOwners + cachedMaps + `"grants": []`, nobody: true,
		lacks: []string{`grants: {"src": ["tag:mesh-control-plane", "tag:mesh-node"], "dst": ["10.250.0.0/16"], "ip": ["tcp:6443"]}, ` +
			`{"src": ["tag:mesh-control-plane", "tag:mesh-node"], "dst": ["tag:mesh-control-plane"], "ip": ["tcp:6443"]}, ` +
			`{"src": ["tag:mesh-control-plane"], "dst": ["tag:mesh-control-plane"], "ip": ["tcp:2379-2380"]}, ` +
			`{"src": ["tag:mesh-control-plane", "tag:mesh-node"], "dst": ["tag:mesh-control-plane", "tag:mesh-node"], "ip": ["tcp:10250", "tcp:4240", "udp:8472"]}`},
	},
	"every rule but people's": {
		policy: nodeOwners + cachedMaps + `"grants": [{"src": ["group:ops", "autogroup:member"], "dst": ["*"], "ip": ["*"]}]`, nobody: true,
		lacks: []string{`grants: {"src": ["tag:mesh-control-plane", "tag:mesh-node"], "dst": ["10.250.0.0/16"]`},
	},
	"workers' rules": {
		policy: nodeOwners + cachedMaps + `"grants": [{"src": ["tag:mesh-control-plane"], "dst": ["*"], "ip": ["*"]}]`, nobody: true,
		lacks: []string{`grants: {"src": ["tag:mesh-control-plane", "tag:mesh-node"]`},
	},
	"VXLAN": {
		policy: nodeOwners + cachedMaps + `"grants": [{"src": ["tag:mesh-control-plane", "tag:mesh-node"], "dst": ["*"], "ip": ["tcp:*", "udp:53", "icmp:*"]}]`,
		lacks: []string{
			`grants: {"src": ["tag:mesh-control-plane", "tag:mesh-node"], "dst": ["tag:mesh-control-plane", "tag:mesh-node"], "ip": ["udp:8472"]}`,
		},
	},
	"VXLAN, which routes of pods do without": {
		policy: nodeOwners + cachedMaps + `"grants": [{"src": ["*"], "dst": ["*"], "ip": ["tcp:1-65535"]}]`, needs: needs(func(n *tailnet.PolicyNeeds) { n.VXLAN = false }),
	},
	"the VIP, at a server of 0.28": {
		mode:   tailnetsim.Headscale028,
		policy: nodeOwners + `"acls": [{"action": "accept", "src": ["autogroup:tagged"], "dst": ["autogroup:tagged:*"]}]`,
		lacks: []string{
			`acls: {"action": "accept", "proto": "tcp", "src": ["tag:mesh-control-plane", "tag:mesh-node"], "dst": ["10.250.0.0/16:6443"]}`,
		},
	},
	"nothing, by aliases": {
		policy: nodeOwners + cachedMaps + `"hosts": {"vips": "10.250.0.0/15", "all": "100.64.0.0/10"},
			"acls": [{"action": "accept", "src": ["all"], "dst": ["vips:1-6443", "all:*"]}]`,
	},
	"approvers": {
		policy: nodeOwners + cachedMaps + openGrants + `"autoApprovers": {"routes": {"10.250.0.0/17": ["tag:mesh-control-plane"], "10.250.0.0/16": ["ann@"]}}`, needs: needs(approving),
		lacks:   []string{`autoApprovers.routes: "10.250.0.0/16": ["tag:mesh-control-plane"]`},
		foreign: []string{`"10.250.0.0/16": ["ann@"]`},
	},
	"approvers of pods": {
		policy: nodeOwners + cachedMaps + openGrants + `"autoApprovers": {"routes": {"10.250.0.0/16": ["tag:mesh-control-plane"], "10.244.0.0/16": ["tag:mesh-node"]}}`,
		needs:  needs(approving, routing),
		lacks:  []string{`autoApprovers.routes: "10.244.0.0/16": ["tag:mesh-control-plane", "tag:mesh-node"]`},
	},
	"no approvers of others": {
		policy: nodeOwners + cachedMaps + openGrants + `"autoApprovers": {"exitNode": ["ann@"], "routes": {"10.250.0.0/16": ["tag:mesh-control-plane"],
			"10.244.0.0/15": ["tag:mesh-node", "tag:mesh-control-plane"], "192.168.1.0/24": ["group:ops"], "::/0": ["tag:router"], "10.42.0.0/16": ["tag:k8s"]}}`,
		needs: needs(approving, routing),
	},
	"nothing, and others are approved": {
		policy: nodeOwners + cachedMaps + openGrants + `"autoApprovers": {"routes": {"10.250.3.0/24": ["tag:mesh-node", "tag:mesh-control-plane"],
			"10.244.7.0/24": ["tag:k8s", "tag:mesh-node"], "10.0.0.0/8": ["tag:office", "tag:mesh-control-plane"]}}`,
		needs:   needs(routing),
		foreign: []string{`"10.0.0.0/8": ["tag:office"]`, `"10.244.7.0/24": ["tag:k8s"]`, `"10.250.3.0/24": ["tag:mesh-node"]`},
	},
	"no approvers that the provider does without": {policy: nodeOwners + cachedMaps + openGrants},
	"no approvers, by a wider range": {
		policy: nodeOwners + cachedMaps + openGrants + `"autoApprovers": {"routes": {"10.0.0.0/8": ["tag:mesh-control-plane"]}}`, needs: needs(approving),
	},
	"attributes": {
		policy: nodeOwners + openGrants + `"nodeAttrs": [{"target": ["tag:mesh-node"], "attr": ["cache-network-maps"]}, {"target": ["*"], "attr": ["magicdns-aaaa"]}]`,
		lacks:  []string{`nodeAttrs: {"target": ["tag:mesh-control-plane", "tag:mesh-node"], "attr": ["cache-network-maps"]}`},
	},
	"no attributes, at a server of 0.28": {
		mode: tailnetsim.Headscale028, policy: nodeOwners + `"acls": [{"action": "accept", "src": ["*"], "dst": ["*:*"]}]`,
	},
	"no rules where there are none at all": {policy: nodeOwners + cachedMaps},
}

func TestWhatAPolicyLacksIsNamedAsItIsPasted(t *testing.T) {
	for name, test := range lackingPolicies {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			if test.mode == "" {
				test.mode = tailnetsim.Headscale029
			}
			if test.needs.NodeTags == nil {
				test.needs = needs()
			}

			found := findings(t, test.mode, "{ // people write comments\n"+test.policy+"}", test.needs)

			g.Expect(found.Nobody).To(Equal(test.nobody))
			g.Expect(found.Foreign).To(Equal(test.foreign))
			g.Expect(found.Missing).To(HaveLen(len(test.lacks)), "%q", found.Missing)
			for i, lack := range test.lacks {
				g.Expect(found.Missing[i]).To(HavePrefix(lack))
			}
		})
	}
}

// A need that nothing is compared with would count as met.
func TestEveryNeedIsFoundToBeLackingInAnEmptyPolicy(t *testing.T) {
	whole := needs(approving, func(n *tailnet.PolicyNeeds) { n.PodRanges = []netip.Prefix{netip.MustParsePrefix("10.244.0.0/16")} })
	empty := func(n tailnet.PolicyNeeds) tailnet.PolicyFindings {
		return findings(t, tailnetsim.Headscale029, `{"grants": []}`, n)
	}
	all := empty(whole)
	for field := range reflect.TypeFor[tailnet.PolicyNeeds]().Fields() {
		if !field.IsExported() {
			continue
		}
		t.Run(field.Name, func(t *testing.T) {
			g := NewWithT(t)
			without := whole
			value := reflect.ValueOf(&without).Elem().FieldByIndex(field.Index)
			g.Expect(value.IsZero()).To(BeFalse(), "set it above")
			value.SetZero()
			g.Expect(empty(without)).NotTo(Equal(all), "no finding tells that a policy lacks it")
		})
	}
}

func TestAPolicyThatIsNotShownIsToldApart(t *testing.T) {
	for name, test := range map[string]struct {
		status     int
		body       string
		reason     tailnet.Reason
		everything bool
	}{
		"no policy in the database":  {500, `{"code":2,"message":"loading ACL from database: acl policy not found","details":[]}`, "", true},
		"no file configured":         {500, `{"code":2,"message":"reading policy from path \"\": open : no such file or directory","details":[]}`, "", true},
		"a file that is not there":   {500, `{"code":2,"message":"reading policy from path \"/etc/x\": no such file","details":[]}`, tailnet.ReasonServerError, false},
		"a policy of another syntax": {200, `{"policy":"{\"acls\": 7}"}`, tailnet.ReasonInvalidRequest, false},
		"no HuJSON":                  {200, `{"policy":"acls:\n- accept"}`, tailnet.ReasonInvalidRequest, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			client, err := tailnet.New(tailnet.Config{APIURL: answersV1(t, "/api/v1/policy", test.status, "application/json", test.body), APIKey: apiKey})
			g.Expect(err).NotTo(HaveOccurred())

			found, err := client.Policy(t.Context(), needs())

			g.Expect(tailnet.ReasonOf(err)).To(Equal(test.reason), "%v", err)
			g.Expect(found.Nobody).To(BeFalse())
			if test.everything {
				g.Expect(found.Missing).To(HaveEach(Not(HavePrefix("grants"))), "without a policy everything is allowed")
			}
		})
	}
}

func TestTailscalesPolicyIsRead(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		body   string
		reason tailnet.Reason
	}{
		"with the scope": {200, `{"grants": [], /* nothing */ }`, ""},
		"without it":     {403, `{"message":"calling actor does not have enough permissions to perform this function"}`, tailnet.ReasonMissingScope},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			address := answering(t, func(w http.ResponseWriter, r *http.Request) {
				g.Expect(r.URL.Path).To(Equal("/api/v2/tailnet/-/acl"))
				w.Header().Set("Content-Type", "application/hujson")
				w.WriteHeader(test.status)
				_, _ = w.Write([]byte(test.body))
			})
			client, err := tailnet.New(tailnet.Config{APIURL: address, APIKey: apiKey})
			g.Expect(err).NotTo(HaveOccurred())

			found, err := client.Policy(t.Context(), needs())

			g.Expect(tailnet.ReasonOf(err)).To(Equal(test.reason))
			g.Expect(found.Nobody).To(Equal(test.reason == ""))
		})
	}
}

// What the OAuth client may not read is no fault of the policy.
func TestThePolicyIsReadWithItsScopeAlone(t *testing.T) {
	for _, mode := range []tailnetsim.Mode{tailnetsim.Tailscale, tailnetsim.Headscale} {
		for scope, reason := range map[string]tailnet.Reason{"policy_file:read": "", "policy_file": "", "auth_keys": tailnet.ReasonMissingScope} {
			t.Run(string(mode)+" with "+scope, func(t *testing.T) {
				g := NewWithT(t)
				server := newServer(t, inMode(mode))
				oauth := server.AddClient([]string{"devices:core", scope}, []string{nodeTag})
				client, err := tailnet.New(tailnet.Config{APIURL: server.URL(), OAuth: &tailnet.OAuth{ClientID: oauth.ID, ClientSecret: tailnet.Secret(oauth.Secret)}})
				g.Expect(err).NotTo(HaveOccurred())
				server.SetPolicyText(`{ // without rules
					"grants": [],
				}`)

				found, err := client.Policy(t.Context(), needs())

				g.Expect(tailnet.ReasonOf(err)).To(Equal(reason), "%v", err)
				g.Expect(found.Nobody).To(Equal(reason == ""))
			})
		}
	}
}

// elsewhere sends every request to the server at the address.
type elsewhere struct{ address string }

func (e elsewhere) RoundTrip(r *http.Request) (*http.Response, error) {
	target, err := url.Parse(e.address)
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host = target.Scheme, target.Host
	return http.DefaultTransport.RoundTrip(r)
}

func TestTailscalesAdministratorsAreProposedAsOwnersThere(t *testing.T) {
	g := NewWithT(t)
	address := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"grants": [], "groups": {"group:guests": ["bob@example.com"]}}`))
	})
	client, err := tailnet.New(tailnet.Config{APIKey: apiKey, Transport: elsewhere{address}})
	g.Expect(err).NotTo(HaveOccurred())

	found, err := client.Policy(t.Context(), needs())

	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found.Missing[0]).To(Equal(`tagOwners: "tag:mesh-control-plane": ["autogroup:admin"], "tag:mesh-node": ["autogroup:admin"]`))
}

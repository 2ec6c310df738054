// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/rs/zerolog"
	"github.com/tailscale/hujson"
)

const (
	root   = "../.."
	folder = "docs/policies"
)

// file is one of the policies of docs/policies.
type file struct {
	name      string
	tailscale bool
	// grants policies are written with grants and nodeAttrs, the others with acls.
	grants bool
	// approves is whether the policy approves routes itself, for routeApproval Policy.
	approves bool
}

var files = []file{
	{name: "tailscale-provider.hujson", tailscale: true, grants: true},
	{name: "tailscale-policy.hujson", tailscale: true, grants: true, approves: true},
	{name: "headscale-0.29-provider.hujson", grants: true},
	{name: "headscale-0.29-policy.hujson", grants: true, approves: true},
	{name: "headscale-provider.hujson"},
	{name: "headscale-policy.hujson", approves: true},
}

func TestMain(m *testing.M) {
	// Headscale logs each policy it loads.
	zerolog.SetGlobalLevel(zerolog.WarnLevel)
	os.Exit(m.Run())
}

func TestEveryPolicyIsTested(t *testing.T) {
	g := NewWithT(t)
	found, err := filepath.Glob(filepath.Join(root, folder, "*.hujson"))
	g.Expect(err).NotTo(HaveOccurred())
	var names, tested []string
	for _, path := range found {
		names = append(names, filepath.Base(path))
	}
	for _, f := range files {
		tested = append(tested, f.name)
	}
	g.Expect(tested).To(ConsistOf(names))
}

func TestTheREADMEShowsThePolicyAsItIsTestedAndNamesTheOthers(t *testing.T) {
	g := NewWithT(t)
	readme := read(t, "README.md")
	blocks := regexp.MustCompile("(?s)```jsonc\n(.*?)```").FindAllStringSubmatch(readme, -1)
	g.Expect(blocks).To(HaveLen(1))
	g.Expect(blocks[0][1]).To(Equal(read(t, filepath.Join(folder, files[0].name))),
		"copy %s into README.md", files[0].name)
	for _, f := range files {
		g.Expect(readme).To(ContainSubstring("("+folder+"/"+f.name+")"), "README.md links to %s", f.name)
	}
}

func TestEveryPortOfThePoliciesIsExplained(t *testing.T) {
	g := NewWithT(t)
	page := read(t, filepath.Join(folder, "README.md"))
	ports := regexp.MustCompile(`"((?:tcp|udp):[0-9-]+|icmp:\*)"`)
	for _, match := range ports.FindAllStringSubmatch(read(t, filepath.Join(folder, files[0].name)), -1) {
		g.Expect(page).To(ContainSubstring("| `" + match[1] + "` |"))
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, path))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return string(content)
}

// text is the policy as pasted by a user with the mode of the pods' network.
func (f file) text(t *testing.T, tailnetRoutes bool) string {
	t.Helper()
	text := read(t, filepath.Join(folder, f.name))
	NewWithT(t).Expect(text).To(ContainSubstring("//+ "))
	if tailnetRoutes {
		text = strings.ReplaceAll(text, "//+ ", "")
	}
	return text
}

// edge makes the policy of a second cluster, edge, from the first one's, mesh.
var edge = strings.NewReplacer("mesh", "edge", `"tag:capom"`, `"tag:capom-edge"`,
	"10.250.", "10.251.", "10.244.", "10.245.")

// household are the parts of the tailnet's policy outside of the files, which hold its rules: the
// group that stands in for autogroup:admin, and the tag of a router.
const household = `{
	"groups": {"group:capom-admins": ["admin@"]},
	"tagOwners": {"tag:home": ["admin@"]}
}`

// tailnet is the policy of a tailnet with two clusters and a household. In one for Tailscale, a
// group stands in for autogroup:admin, missing in Headscale.
func (f file) tailnet(t *testing.T, tailnetRoutes bool) map[string]any {
	t.Helper()
	mesh := f.text(t, tailnetRoutes)
	merged := map[string]any{}
	for _, part := range []string{mesh, edge.Replace(mesh), household} {
		merge(merged, parse(t, strings.ReplaceAll(part, "autogroup:admin", "group:capom-admins")))
	}
	return merged
}

func parse(t *testing.T, text string) map[string]any {
	t.Helper()
	g := NewWithT(t)
	standard, err := hujson.Standardize([]byte(text))
	g.Expect(err).NotTo(HaveOccurred())
	var out map[string]any
	g.Expect(json.Unmarshal(standard, &out)).To(Succeed())
	return out
}

// merge adds more to policy: rules are appended, the entries of objects put beside the others.
func merge(policy, more map[string]any) {
	for key, value := range more {
		switch value := value.(type) {
		case map[string]any:
			if _, ok := policy[key]; !ok {
				policy[key] = map[string]any{}
			}
			merge(policy[key].(map[string]any), value)
		case []any:
			if key == "grants" || key == "acls" || key == "nodeAttrs" {
				before, _ := policy[key].([]any)
				value = append(before, value...)
			}
			policy[key] = value
		}
	}
}

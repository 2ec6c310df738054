// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// scripts are the blocks of commands of all pages, by where they are.
func scripts(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, file := range append(pages(t, "docs"), "README.md", "CONTRIBUTING.md", "RELEASE.md") {
		for _, block := range read(t, file).blocks {
			if block.language == "sh" {
				found[file+": "+strings.SplitN(strings.TrimSpace(block.text), "\n", 2)[0]] = block.text
			}
		}
	}
	NewWithT(t).Expect(found).NotTo(BeEmpty())
	return found
}

var (
	placeholder = regexp.MustCompile(`<[a-z-]+>`)
	asked       = regexp.MustCompile(`kubectl (?:-n \S+ )?(?:get|describe|delete) ([a-z,]+)([^\n#` + "`" + `]*)`)
	selector    = regexp.MustCompile(`--field-selector[= ]([\w.]+)=`)
	heredoc     = regexp.MustCompile(`(?s)<<'YAML'\n(.*?)\nYAML\n`)
	secretKey   = regexp.MustCompile(`--from-(?:literal|file)=(\w+)=`)
)

func TestEveryCommandIsValidShell(t *testing.T) {
	for name, script := range scripts(t) {
		cmd := exec.Command("sh", "-n")
		cmd.Stdin = strings.NewReader(placeholder.ReplaceAllString(script, "name"))
		out, err := cmd.CombinedOutput()
		NewWithT(t).Expect(err).NotTo(HaveOccurred(), "%s: %s", name, out)
	}
}

func TestFilesThatCommandsWriteAreYAML(t *testing.T) {
	g := NewWithT(t)
	written := 0
	for name, script := range scripts(t) {
		for _, match := range heredoc.FindAllStringSubmatch(script, -1) {
			var content map[string]any
			g.Expect(yaml.UnmarshalStrict([]byte(match[1]), &content)).To(Succeed(), name)
			written++
		}
	}
	g.Expect(written).To(BeNumerically(">=", 2))
}

// config/default names an image of development, which is in no registry.
func TestOverlaysThatCommandsWriteNameAnImage(t *testing.T) {
	g := NewWithT(t)
	overlays := 0
	for name, script := range scripts(t) {
		for _, match := range heredoc.FindAllStringSubmatch(script, -1) {
			var overlay struct {
				Resources []string                        `json:"resources"`
				Images    []struct{ Name, NewTag string } `json:"images"`
			}
			g.Expect(yaml.Unmarshal([]byte(match[1]), &overlay)).To(Succeed(), name)
			if !slices.Contains(overlay.Resources, "../default") {
				continue
			}
			overlays++
			g.Expect(overlay.Images).To(HaveLen(1), name)
			g.Expect(overlay.Images[0].NewTag).NotTo(BeEmpty(), name)
			manager, err := os.ReadFile(filepath.Join(root, "config/manager/manager.yaml"))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(string(manager)).To(ContainSubstring("image: "+overlay.Images[0].Name), name)
		}
	}
	g.Expect(overlays).To(Equal(1))
}

// clusterctl fills in the components' variables at each upgrade anew: what only the shell of
// "clusterctl init" had is back at its default then.
func TestVariablesOfInitAreKeptInItsConfiguration(t *testing.T) {
	for name, script := range scripts(t) {
		if strings.Contains(script, "clusterctl init") {
			NewWithT(t).Expect(script).NotTo(MatchRegexp(`export (CLUSTER_TOPOLOGY|EXP_)`), name)
		}
	}
}

// Kubernetes' own, Cluster API's and the Helm add-on provider's kinds that pages name.
var elsewhere = []string{"nodes", "events", "secret", "cluster", "machine", "helmchartproxy", "helmreleaseproxy"}

func TestCommandsAskForKindsAndFieldsThatThereAre(t *testing.T) {
	g := NewWithT(t)
	kinds := map[string][]string{}
	for _, name := range elsewhere {
		kinds[name] = []string{"type"}
	}
	definitions, err := filepath.Glob(filepath.Join(root, "config/crd/bases/*.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	for _, file := range definitions {
		content, err := os.ReadFile(file)
		g.Expect(err).NotTo(HaveOccurred())
		crd := &unstructured.Unstructured{}
		g.Expect(yaml.Unmarshal(content, &crd.Object)).To(Succeed())
		names, _, _ := unstructured.NestedMap(crd.Object, "spec", "names")
		short, _, _ := unstructured.NestedStringSlice(crd.Object, "spec", "names", "shortNames")
		var selectable []string
		versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")
		for _, version := range versions {
			fields, _, _ := unstructured.NestedSlice(version.(map[string]any), "selectableFields")
			for _, field := range fields {
				selectable = append(selectable, strings.TrimPrefix(field.(map[string]any)["jsonPath"].(string), "."))
			}
		}
		for _, name := range append(short, names["plural"].(string), names["singular"].(string)) {
			kinds[name] = selectable
		}
	}
	found := 0
	for _, file := range append(pages(t, "docs"), "README.md") {
		content, err := os.ReadFile(filepath.Join(root, file))
		g.Expect(err).NotTo(HaveOccurred())
		for _, match := range asked.FindAllStringSubmatch(string(content), -1) {
			found++
			for _, kind := range strings.Split(match[1], ",") {
				g.Expect(kinds).To(HaveKey(kind), "%s: %s", file, match[0])
				if field := selector.FindStringSubmatch(match[2]); field != nil {
					g.Expect(kinds[kind]).To(ContainElement(field[1]), "%s: %s", file, match[0])
				}
			}
		}
	}
	g.Expect(found).To(BeNumerically(">", 10))
}

func TestSecretsOfTheREADMEHaveTheKeysThatAreRead(t *testing.T) {
	g := NewWithT(t)
	var keys []string
	for name, script := range scripts(t) {
		if strings.HasPrefix(name, "README.md") {
			for _, match := range secretKey.FindAllStringSubmatch(script, -1) {
				keys = append(keys, match[1])
			}
		}
	}
	g.Expect(keys).To(ConsistOf(infrav1.CredentialsTenancyKey, infrav1.CredentialsUserKey, infrav1.CredentialsFingerprintKey,
		infrav1.CredentialsPrivateKeyKey, infrav1.TailnetClientIDKey, infrav1.TailnetClientSecretKey))
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

func TestOperationsNamesEveryFlagOfTheManager(t *testing.T) {
	g := NewWithT(t)
	content, err := os.ReadFile(filepath.Join(root, "options.go"))
	g.Expect(err).NotTo(HaveOccurred())
	flags := regexp.MustCompile(`Var\(&o\.\w+, "([a-z-]+)"`).FindAllStringSubmatch(string(content), -1)
	g.Expect(flags).NotTo(BeEmpty())
	for _, flag := range flags {
		expectNamed(t, "docs/operations.md", "`--"+flag[1]+"`")
	}
}

func TestOperationsNamesEveryMetric(t *testing.T) {
	g := NewWithT(t)
	metric := regexp.MustCompile(`"(capom_[a-z_]+)"`)
	for _, folder := range []string{"cloud", "controllers", "exp", "internal/webhooks"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			content, err := os.ReadFile(path)
			for _, name := range metric.FindAllStringSubmatch(string(content), -1) {
				expectNamed(t, "docs/operations.md", "`"+name[1]+"`")
			}
			return err
		})
		g.Expect(err).NotTo(HaveOccurred())
	}
}

func TestPagesNameEveryColumnAndShortName(t *testing.T) {
	g := NewWithT(t)
	definitions, err := filepath.Glob(filepath.Join(root, "config/crd/bases/*.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(definitions).NotTo(BeEmpty())
	for _, file := range definitions {
		content, err := os.ReadFile(file)
		g.Expect(err).NotTo(HaveOccurred())
		crd := &unstructured.Unstructured{}
		g.Expect(yaml.Unmarshal(content, &crd.Object)).To(Succeed())
		kind, _, _ := unstructured.NestedString(crd.Object, "spec", "names", "kind")
		page := "docs/kinds/" + strings.ToLower(kind) + ".md"
		switch {
		case kind == "OCIMeshClusterTemplate":
			page = "docs/kinds/ocimeshcluster.md"
		case strings.HasPrefix(kind, "OCIMeshMachinePool"):
			page = "docs/kinds/ocimeshmachinepool.md"
		case kind == "OCIMeshRemediationTemplate":
			page = "docs/kinds/ocimeshremediation.md"
		}
		for _, word := range shown(crd) {
			expectNamed(t, page, word)
		}
	}
}

// shown are kubectl get's columns and short names.
func shown(crd *unstructured.Unstructured) []string {
	words, _, _ := unstructured.NestedStringSlice(crd.Object, "spec", "names", "shortNames")
	versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")
	for _, version := range versions {
		columns, _, _ := unstructured.NestedSlice(version.(map[string]any), "additionalPrinterColumns")
		for _, column := range columns {
			words = append(words, column.(map[string]any)["name"].(string))
		}
	}
	return words
}

func expectNamed(t *testing.T, page, word string) {
	t.Helper()
	// Lines are wrapped, also within a name.
	text := strings.Join(strings.Fields(strings.Join(read(t, page).prose, " ")), " ")
	NewWithT(t).Expect(strings.Contains(text, word)).To(BeTrue(), "%s does not name %s", page, word)
}

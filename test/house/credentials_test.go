// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package house

import (
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	. "github.com/onsi/gomega"
)

// A client that was made after a text without one of the scopes is refused.
func TestWhereCredentialsOfATailnetAreExplainedEveryScopeIsNamed(t *testing.T) {
	g := NewWithT(t)
	s, err := read("cloud/tailnet", "api/v1alpha1")
	g.Expect(err).NotTo(HaveOccurred())
	scopes := valuesOf(constantsOf(fileOf(s, "cloud/tailnet/check.go"), "scope", ""))
	g.Expect(len(scopes)).To(BeNumerically(">=", 3), "the scopes are not found")

	for _, place := range []struct{ file, name string }{
		{"api/v1alpha1/conditions.go", "ScopeMissingReason"},
		{"api/v1alpha1/tailnet_types.go", "OAuthClient"},
		{"cloud/tailnet/config.go", "OAuth"},
	} {
		comment := commentOf(fileOf(s, place.file), place.name)
		for _, scope := range scopes {
			g.Expect(comment).To(ContainSubstring(scope), "%s: the comment of %s", place.file, place.name)
		}
	}
	for _, place := range []struct {
		page string
		// part is what has to name a scope, with the scope as %s.
		part string
	}{
		{"README.md", "(?s)\n### 3\\. .*`%s`.*\n### 4\\. "},
		{"docs/kinds/tailnet.md", "\n\\|[^|]*\\| `ScopeMissing` \\|.*`%s`"},
		{"docs/kinds/tailnet.md", "\n\\| `%s` \\|"},
		{"docs/kinds/tailnet.md", `oauth-clients create[^\x60]*--scope\s%s\s`},
	} {
		content, err := os.ReadFile(filepath.Join(root, place.page))
		g.Expect(err).NotTo(HaveOccurred())
		for _, scope := range scopes {
			pattern := regexp.MustCompile("%s").ReplaceAllLiteralString(place.part, regexp.QuoteMeta(scope))
			g.Expect(regexp.MustCompile(pattern).Match(content)).To(BeTrue(), "%s does not name %s where %q is to be found", place.page, scope, place.part)
		}
	}
}

// commentOf is that of a file's type or constant.
func commentOf(f *ast.File, name string) (comment string) {
	ast.Inspect(f, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.GenDecl:
			if spec, ok := n.Specs[0].(*ast.TypeSpec); ok && spec.Name.Name == name {
				comment = n.Doc.Text()
			}
		case *ast.ValueSpec:
			if n.Names[0].Name == name {
				comment = n.Doc.Text()
			}
		}
		return true
	})
	return comment
}

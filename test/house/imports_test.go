// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package house

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"
)

// depguard is .golangci.yml's rules of imports.
type depguard struct {
	Linters struct {
		Settings struct {
			Depguard struct {
				Rules map[string]struct {
					ListMode string   `json:"list-mode"`
					Files    []string `json:"files"`
					Allow    []string `json:"allow"`
				} `json:"rules"`
			} `json:"depguard"`
		} `json:"settings"`
	} `json:"linters"`
}

// pattern is one of depguard's file patterns, relative to the repository.
func pattern(glob string) *regexp.Regexp {
	glob = strings.TrimPrefix(glob, "${base-path}/")
	quoted := regexp.QuoteMeta(glob)
	quoted = strings.ReplaceAll(quoted, `\*\*`, `.*`)
	quoted = strings.ReplaceAll(quoted, `\*`, `[^/]*`)
	return regexp.MustCompile("^" + quoted + "$")
}

// An unused allowance is an open door.
func TestEveryAllowanceToImportIsUsed(t *testing.T) {
	g := NewWithT(t)
	content, err := os.ReadFile(filepath.Join(root, ".golangci.yml"))
	g.Expect(err).NotTo(HaveOccurred())
	var config depguard
	g.Expect(yaml.Unmarshal(content, &config)).To(Succeed())
	s, err := read("api", "cloud", "controllers", "exp", "internal")
	g.Expect(err).NotTo(HaveOccurred())
	strict := 0
	for name, rule := range config.Linters.Settings.Depguard.Rules {
		if rule.ListMode != "strict" {
			continue
		}
		strict++
		imported := map[string]bool{}
		for _, glob := range rule.Files {
			if strings.HasPrefix(glob, "!") {
				continue
			}
			for _, f := range s.all {
				if !pattern(glob).MatchString(f.path) {
					continue
				}
				for _, spec := range f.Imports {
					path, err := strconv.Unquote(spec.Path.Value)
					g.Expect(err).NotTo(HaveOccurred())
					imported[path] = true
				}
			}
		}
		g.Expect(imported).NotTo(BeEmpty(), "rule %s is for no file", name)
		for _, allowed := range rule.Allow {
			if strings.HasPrefix(allowed, "$") {
				continue
			}
			used := false
			for path := range imported {
				exact, isExact := strings.CutSuffix(allowed, "$")
				used = used || path == exact || !isExact && strings.HasPrefix(path, allowed)
			}
			if !used {
				t.Errorf(".golangci.yml: rule %s allows %s, which none of its files imports", name, allowed)
			}
		}
	}
	g.Expect(strict).To(BeNumerically(">", 5), "the rules are not found")
}

var saysImports = regexp.MustCompile(`may import|\b[iI]t (alone )?imports\b|\band imports\b`)

// Who may import whom is said once, in .golangci.yml.
func TestNoCommentSaysWhatAPackageMayImport(t *testing.T) {
	g := NewWithT(t)
	s, err := read("api", "cloud", "controllers", "exp", "internal")
	g.Expect(err).NotTo(HaveOccurred())
	for _, f := range s.all {
		if f.path != "controllers/doc.go" && f.Doc != nil && saysImports.MatchString(f.Doc.Text()) {
			t.Errorf("%s: the package's comment says what it imports: leave that to .golangci.yml", f.path)
		}
	}
}

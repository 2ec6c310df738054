// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	. "github.com/onsi/gomega"
)

var link = regexp.MustCompile(`\]\(([^)\s]+)[^)]*\)`)

func TestEveryRelativeLinkLeadsSomewhere(t *testing.T) {
	for _, file := range pages(t, ".") {
		for _, line := range read(t, file).prose {
			for _, match := range link.FindAllStringSubmatch(line, -1) {
				if !strings.Contains(match[1], ":") {
					expectTarget(t, file, match[1])
				}
			}
		}
	}
}

func expectTarget(t *testing.T, file, target string) {
	t.Helper()
	g := NewWithT(t)
	name, anchor, anchored := strings.Cut(target, "#")
	path := file
	if name != "" {
		path = filepath.Join(filepath.Dir(file), name)
	}
	g.Expect(path).NotTo(HavePrefix(".."), "%s links to %s, outside of the repository", file, target)
	_, err := os.Stat(filepath.Join(root, path))
	g.Expect(err).NotTo(HaveOccurred(), "%s links to %s", file, target)
	if anchored && strings.HasSuffix(path, ".md") {
		g.Expect(anchors(t, path)).To(ContainElement(anchor), "%s links to %s", file, target)
	}
}

// anchors are GitHub's for a page's headings.
func anchors(t *testing.T, path string) []string {
	t.Helper()
	var found []string
	for _, line := range read(t, path).prose {
		heading := strings.TrimLeft(line, "#")
		if heading != line && strings.HasPrefix(heading, " ") {
			found = append(found, anchorOf(strings.TrimSpace(heading)))
		}
	}
	return found
}

func anchorOf(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-', r == '_', unicode.IsLetter(r), unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, heading)
}

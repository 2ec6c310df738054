// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package docs

import (
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

const index = "docs/README.md"

func TestTheIndexListsEveryPageOnce(t *testing.T) {
	g := NewWithT(t)
	var listed []string
	for _, line := range read(t, index).prose {
		for _, match := range link.FindAllStringSubmatch(line, -1) {
			if page := filepath.Join("docs", match[1]); strings.HasPrefix(page, "docs/") {
				listed = append(listed, page)
			}
		}
	}
	var there []string
	for _, page := range pages(t, "docs") {
		if page != index {
			there = append(there, page)
		}
	}
	g.Expect(listed).To(ConsistOf(there), index)
}

// Whoever looks for a decision looks for its title.
func TestTheIndexHasTheTitlesOfDecisions(t *testing.T) {
	g := NewWithT(t)
	// Lines are wrapped.
	text := strings.Join(strings.Fields(strings.Join(read(t, index).prose, " ")+" *"), " ")
	for _, page := range pages(t, "docs/decisions") {
		number, title, found := strings.Cut(strings.TrimPrefix(read(t, page).prose[0], "# "), ". ")
		g.Expect(found).To(BeTrue(), "%s does not begin with its number and title", page)
		g.Expect(text).To(ContainSubstring("* ["+number+"]("+strings.TrimPrefix(page, "docs/")+"): "+strings.TrimSpace(title)), index)
	}
}

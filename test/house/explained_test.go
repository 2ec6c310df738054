// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package house

import (
	"cmp"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// explainedOn are the pages on which a reader looks for the reasons of a kind, by its controller's
// folder.
var explainedOn = map[string][]string{
	"controllers/account":         {"ociaccount"},
	"controllers/tailnet":         {"tailnet"},
	"controllers/cluster":         {"ocimeshcluster"},
	"controllers/machine":         {"ocimeshmachine"},
	"controllers/machinetemplate": {"ocimeshmachinetemplate"},
	"controllers/remediation":     {"ocimeshremediation"},
	"exp/controllers/machinepool": {"ocimeshmachinepool"},
	"exp/controllers/poolmachine": {"ocimeshmachinepool", "ocimeshmachine"},
}

// A reason that two conditions or two kinds have needs two rows. Packages that kinds share are left
// to the reviewer.
func TestReasonsAreExplainedOnThePageOfTheKindThatSetsThem(t *testing.T) {
	g := NewWithT(t)
	s, err := read("controllers", "exp/controllers")
	g.Expect(err).NotTo(HaveOccurred())
	found, named := 0, 0
	for folder, pages := range explainedOn {
		var rows []explanation
		for _, page := range pages {
			rows = append(rows, rowsOf(t, filepath.Join(root, "docs", "kinds", page+".md"))...)
		}
		for one, at := range findingsOf(s, folder) {
			found++
			if one.condition != "" {
				named++
			}
			if !slices.ContainsFunc(rows, one.isIn) {
				t.Errorf("%s sets %s on %s: no row of docs/kinds/%s.md explains it", at, one.reason, cmp.Or(one.condition, "a condition"), pages[0])
			}
		}
	}
	g.Expect(found).To(BeNumerically(">", 120), "the reasons are not found")
	g.Expect(named).To(BeNumerically(">", 60), "their conditions are not found")
}

// explanation is a row of a page's table of conditions. Without conditions it is about all of them.
type explanation struct{ conditions, reasons []string }

func (f finding) isIn(e explanation) bool {
	return slices.Contains(e.reasons, f.reason) &&
		(f.condition == "" || len(e.conditions) == 0 || slices.Contains(e.conditions, f.condition))
}

// rowsOf are those of the tables whose first columns are Condition and Reason. A row without a
// condition has that of the row above.
func rowsOf(t *testing.T, page string) (rows []explanation) {
	t.Helper()
	content, err := os.ReadFile(page)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	inside, conditions, above := false, []string(nil), []string(nil)
	for line := range strings.Lines(string(content)) {
		cells := strings.Split(line, "|")
		switch {
		case len(cells) < 4:
			inside = false
		case strings.TrimSpace(cells[1]) == "Condition" && strings.TrimSpace(cells[2]) == "Reason":
			inside = true
		case inside:
			reasons := quotedIn(cells[2])
			if strings.TrimSpace(cells[1]) != "" {
				conditions = quotedIn(cells[1])
				if strings.TrimSpace(cells[2]) == "those above" {
					reasons = above
				}
				above = nil
			}
			above = append(above, reasons...)
			rows = append(rows, explanation{conditions, reasons})
		}
	}
	NewWithT(t).Expect(rows).NotTo(BeEmpty(), page)
	return rows
}

var backquoted = regexp.MustCompile("`([^`]+)`")

func quotedIn(cell string) (words []string) {
	for _, match := range backquoted.FindAllStringSubmatch(cell, -1) {
		words = append(words, match[1])
	}
	return words
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

const architecture = "docs/architecture.md"

// place is a file, a folder or a pattern of files in the repository.
var place = regexp.MustCompile(`^(api|cloud|config|controllers|docs|exp|internal|templates|test)(/\S*)?$`)

func TestPlacesThatTheArchitectureNamesAreThere(t *testing.T) {
	g := NewWithT(t)
	named := 0
	for _, line := range read(t, architecture).prose {
		for _, word := range words(line) {
			if !place.MatchString(word) {
				continue
			}
			named++
			found, err := filepath.Glob(filepath.Join(root, word))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(found).NotTo(BeEmpty(), "%s names %s", architecture, word)
		}
	}
	g.Expect(named).To(BeNumerically(">", 50), "the places are not found")
}

// phaseRow is a phase in the table of a controller.
var phaseRow = regexp.MustCompile(`\{Name: "([^"]+)", Condition:`)

func TestTheArchitectureTellsAMachinesPhasesInTheirOrder(t *testing.T) {
	g := NewWithT(t)
	content, err := os.ReadFile(filepath.Join(root, "controllers/machine/controller.go"))
	g.Expect(err).NotTo(HaveOccurred())
	var inCode []string
	for _, match := range phaseRow.FindAllStringSubmatch(string(content), -1) {
		inCode = append(inCode, match[1])
	}
	g.Expect(len(inCode)).To(BeNumerically(">", 10), "the phases are not found")
	var told []string
	inside := false
	for _, line := range read(t, architecture).prose {
		cells := strings.Split(line, "|")
		switch {
		case len(cells) < 3:
			inside = false
		case strings.TrimSpace(cells[1]) == "phase":
			inside = true
		case inside && !strings.HasPrefix(cells[1], "--"):
			told = append(told, strings.TrimSpace(cells[1]))
		}
	}
	g.Expect(told).To(Equal(inCode), architecture)
}

func TestThePictureNamesEveryPackage(t *testing.T) {
	g := NewWithT(t)
	content, err := os.ReadFile(filepath.Join(root, "docs/architecture.svg"))
	g.Expect(err).NotTo(HaveOccurred())
	picture := regexp.MustCompile(`<text[^>]*>([^<]*)</text>`).FindAllStringSubmatch(string(content), -1)
	var shown strings.Builder
	for _, text := range picture {
		shown.WriteString(text[1] + "\n")
	}
	for _, pattern := range []string{"cloud/*/*.go", "controllers/*/*.go", "exp/controllers/*/*.go"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(files).NotTo(BeEmpty())
		for _, file := range files {
			name := filepath.Base(filepath.Dir(file))
			g.Expect(shown.String()).To(MatchRegexp(`\b`+name+`\b`), "docs/architecture.svg does not show %s", file)
		}
	}
}

// held is a file with something that is said to be in it: `file` (`name`).
var held = regexp.MustCompile("`([\\w/.]+\\.go)`\\s+\\(`([\\w.]+)`")

func TestWhatTheArchitectureSaysOfAFileIsInIt(t *testing.T) {
	g := NewWithT(t)
	all := held.FindAllStringSubmatch(strings.Join(read(t, architecture).prose, "\n"), -1)
	g.Expect(all).NotTo(BeEmpty())
	for _, match := range all {
		content, err := os.ReadFile(filepath.Join(root, match[1]))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(string(content)).To(MatchRegexp(`\b`+regexp.QuoteMeta(match[2])+`\b`), "%s says that it is in %s", architecture, match[1])
	}
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// folders lists the folders below one with a file of a name, as paths from it.
func folders(t *testing.T, below, pattern string) []string {
	t.Helper()
	g := NewWithT(t)
	var found []string
	top := filepath.Join(root, below)
	err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() && (len(name) > 2 && name[0] == '.' || name == "out" || name == "testdata") {
			return fs.SkipDir
		}
		matched, err := filepath.Match(pattern, name)
		if err != nil || !matched || entry.IsDir() {
			return err
		}
		folder, err := filepath.Rel(top, filepath.Dir(path))
		if !slices.Contains(found, folder) {
			found = append(found, folder)
		}
		return err
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).NotTo(BeEmpty())
	return found
}

var row = regexp.MustCompile("^\\| \\[`([^`]+)`\\]")

func TestEveryPackageOfTestHasARowInItsTable(t *testing.T) {
	g := NewWithT(t)
	var rows []string
	for _, line := range read(t, "test/README.md").prose {
		if match := row.FindStringSubmatch(line); match != nil {
			rows = append(rows, match[1])
		}
	}
	g.Expect(rows).To(ConsistOf(append(folders(t, "test", "*.go"), folders(t, "internal/testing", "*.go")...)))
}

func TestDependabotKnowsEveryModule(t *testing.T) {
	g := NewWithT(t)
	content, err := os.ReadFile(filepath.Join(root, ".github/dependabot.yml"))
	g.Expect(err).NotTo(HaveOccurred())
	var config struct {
		Updates []struct {
			Ecosystem   string   `json:"package-ecosystem"`
			Directories []string `json:"directories"`
		} `json:"updates"`
	}
	g.Expect(yaml.Unmarshal(content, &config)).To(Succeed())
	var known []string
	for _, update := range config.Updates {
		if update.Ecosystem == "gomod" {
			known = append(known, update.Directories...)
		}
	}
	var modules []string
	for _, folder := range folders(t, ".", "go.mod") {
		modules = append(modules, filepath.Join("/", folder))
	}
	g.Expect(known).To(ConsistOf(modules))
}

// pinned is an action with the hash of a commit, and the version that it was looked up by.
var pinned = regexp.MustCompile(`uses: [^@\s]+@[0-9a-f]{40} # v\d+(\.\d+)*$`)

// A tag can be moved to other code, a commit cannot.
func TestActionsArePinnedByCommit(t *testing.T) {
	g := NewWithT(t)
	workflows, err := filepath.Glob(filepath.Join(root, ".github/workflows/*.yml"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(workflows).NotTo(BeEmpty())
	for _, workflow := range workflows {
		content, err := os.ReadFile(workflow)
		g.Expect(err).NotTo(HaveOccurred())
		for _, line := range strings.Split(string(content), "\n") {
			if strings.Contains(line, "uses: ") && !strings.Contains(line, "uses: ./") {
				g.Expect(line).To(MatchRegexp(pinned.String()), workflow)
			}
		}
	}
}

// ours is what follows our group: an annotation, a label or an API version.
var ours = regexp.MustCompile(`infrastructure\.cluster\.x-k8s\.io/([a-z0-9-]+)`)

func TestAnnotationsAndLabelsThatPagesNameExist(t *testing.T) {
	g := NewWithT(t)
	var code strings.Builder
	for _, pattern := range []string{"api/*/*.go", "controllers/*/*.go", "templates/src/*.yaml"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		g.Expect(err).NotTo(HaveOccurred())
		for _, file := range files {
			content, err := os.ReadFile(file)
			g.Expect(err).NotTo(HaveOccurred())
			code.Write(content)
		}
	}
	named := 0
	for _, file := range pages(t, ".") {
		for _, line := range read(t, file).prose {
			for _, match := range ours.FindAllStringSubmatch(line, -1) {
				if match[1] != infrav1.GroupVersion.Version {
					named++
					exists := regexp.MustCompile(regexp.QuoteMeta(match[0]) + `[^a-z0-9-]`)
					g.Expect(exists.MatchString(code.String())).To(BeTrue(), "%s names %s", file, match[0])
				}
			}
		}
	}
	g.Expect(named).To(BeNumerically(">", 3))
}

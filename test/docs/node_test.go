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

const (
	nodePage   = "docs/node.md"
	nodeScript = "cloud/cloudinit/node/bin/capom-node.sh"
)

var step = regexp.MustCompile(`until_done "([^"]+)"`)

func TestThePageOfNodesTellsEveryStepOfTheirScript(t *testing.T) {
	g := NewWithT(t)
	script, err := os.ReadFile(filepath.Join(root, nodeScript))
	g.Expect(err).NotTo(HaveOccurred())
	steps := step.FindAllStringSubmatch(string(script), -1)
	g.Expect(len(steps)).To(BeNumerically(">", 8), "the steps are not found")
	for _, match := range steps {
		expectNamed(t, nodePage, match[1])
	}
}

// filesOfNodes are the files that machines get, by their path in the repository.
func filesOfNodes(t *testing.T) map[string]string {
	t.Helper()
	g := NewWithT(t)
	all := map[string]string{}
	for _, pattern := range []string{"*/bin/*", "*/etc/*/*", "*/etc/*/*/*", "*/etc/*/*/*/*"} {
		found, err := filepath.Glob(filepath.Join(root, "cloud/cloudinit", pattern))
		g.Expect(err).NotTo(HaveOccurred())
		for _, path := range found {
			if info, err := os.Stat(path); err != nil || info.IsDir() {
				continue
			}
			content, err := os.ReadFile(path)
			g.Expect(err).NotTo(HaveOccurred())
			all[path] = string(content)
		}
	}
	g.Expect(len(all)).To(BeNumerically(">", 15), "the files are not found")
	return all
}

func TestThePageOfNodesNamesEveryFileOfTheirs(t *testing.T) {
	for path := range filesOfNodes(t) {
		if filepath.Base(filepath.Dir(path)) == "bin" {
			continue // the page names their folder
		}
		name := filepath.Base(path)
		if folder := filepath.Base(filepath.Dir(path)); strings.HasSuffix(folder, ".d") {
			name = folder + "/" + name
		}
		expectNamed(t, nodePage, name)
	}
}

// A script that nothing runs is on every machine, and does nothing.
func TestSomethingRunsEveryScriptOfNodes(t *testing.T) {
	all := filesOfNodes(t)
	for path := range all {
		if filepath.Base(filepath.Dir(path)) != "bin" || strings.HasSuffix(path, "/capom-node.sh") {
			continue // cloud-init runs that one
		}
		name, runs := strings.TrimSuffix(filepath.Base(path), ".sh"), false
		for other, content := range all {
			runs = runs || other != path && regexp.MustCompile(`(?m)^[^#\n]*\b`+regexp.QuoteMeta(name)+`\b`).MatchString(content)
		}
		NewWithT(t).Expect(runs).To(BeTrue(), "neither a unit nor another script runs %s: give it a place in %s", path, nodeScript)
	}
}

// A unit that nothing starts runs no script either, though it names one.
func TestSomethingStartsEveryUnitOfNodes(t *testing.T) {
	all := filesOfNodes(t)
	units := 0
	for path := range all {
		if filepath.Base(filepath.Dir(path)) != "system" {
			continue // a drop-in of somebody's unit
		}
		units++
		name, starts := filepath.Base(path), false
		for other, content := range all {
			pattern := `(?m)^(?:Wants|Requires)=(?:.* )?`
			if strings.HasSuffix(other, "/capom-node.sh") {
				pattern = `(?m)^[^#\n]*\bsystemctl (?:enable|start)(?: --now)? `
			}
			starts = starts || other != path && regexp.MustCompile(pattern+regexp.QuoteMeta(name)+`(?: |$)`).MatchString(content)
		}
		NewWithT(t).Expect(starts).To(BeTrue(), "neither %s nor another unit starts %s", nodeScript, path)
	}
	NewWithT(t).Expect(units).To(BeNumerically(">", 4), "the units are not found")
}

// Settings of the kernel in a file that nothing applies have no effect before the next boot.
func TestAScriptOfNodesAppliesEveryFileForTheKernel(t *testing.T) {
	g := NewWithT(t)
	all := filesOfNodes(t)
	lines := 0
	for path, content := range all {
		folder, name := filepath.Base(filepath.Dir(path)), filepath.Base(path)
		switch folder {
		case "sysctl.d":
			lines++
			g.Expect(runInScripts(all, `sysctl .*-p .*/sysctl\.d/`+regexp.QuoteMeta(name)+`"?$`)).To(BeTrue(),
				"no script applies %s: write the lines into 90-capom.conf, or have one run sysctl -p on it", path)
		case "modules-load.d":
			for module := range strings.Lines(content) {
				if module = strings.TrimSpace(module); module == "" || strings.HasPrefix(module, "#") {
					continue
				}
				lines++
				g.Expect(runInScripts(all, `for module in .*\b`+regexp.QuoteMeta(module)+`\b.*; do$`)).To(BeTrue(), "no script loads %s of %s", module, path)
			}
		}
	}
	g.Expect(lines).To(BeNumerically(">", 4), "the files are not found")
}

// runInScripts tells whether a script has such a line.
func runInScripts(all map[string]string, pattern string) bool {
	line := regexp.MustCompile(`(?m)^[\t ]*` + pattern)
	for path, content := range all {
		if filepath.Base(filepath.Dir(path)) == "bin" && line.MatchString(content) {
			return true
		}
	}
	return false
}

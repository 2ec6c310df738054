// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package house

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// envtest lets go of the ports that it chooses before its servers listen on them.
func TestEveryAPIServerOfTestsListensOnReservedPorts(t *testing.T) {
	g := NewWithT(t)
	found := 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "out" || entry.Name() == ".git") {
			return fs.SkipDir
		}
		if filepath.Ext(path) != ".go" || strings.HasSuffix(path, "house/ports_test.go") {
			return nil
		}
		content, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(content), "envtest.Environment{") {
			found++
			g.Expect(string(content)).To(ContainSubstring("ports.ForServer("), "%s", path)
		}
		return err
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(BeNumerically(">=", 5))
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package house

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// A kind that a list leaves out is not installed, or is not seen by who may view a namespace.
func TestEveryKindIsInstalledAndMayBeViewed(t *testing.T) {
	g := NewWithT(t)
	bases, err := filepath.Glob(filepath.Join(root, "config/crd/bases/*.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(bases).NotTo(BeEmpty())
	text := func(name string) string {
		content, err := os.ReadFile(filepath.Join(root, name))
		g.Expect(err).NotTo(HaveOccurred())
		return string(content)
	}
	installed, roles := text("config/crd/kustomization.yaml"), text("config/rbac/user_roles.yaml")
	viewed, _, _ := strings.Cut(roles, "---")
	for _, base := range bases {
		name := filepath.Base(base)
		g.Expect(installed).To(ContainSubstring("- bases/"+name+"\n"), "config/crd/kustomization.yaml")
		plural := strings.TrimSuffix(name[strings.Index(name, "_")+1:], ".yaml")
		g.Expect(viewed).To(ContainSubstring("- "+plural+"\n"), "config/rbac/user_roles.yaml")
	}
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package docs

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
)

// Tilt of Cluster API runs "go build <go_main>" in the provider's folder, and go_main is main.go
// unless it is set (Cluster API's Tiltfile, build_go_binary): of a package of several files, one
// alone does not compile.
func TestTiltBuildsTheWholeManager(t *testing.T) {
	g := NewWithT(t)
	content, err := os.ReadFile(filepath.Join(root, "tilt-provider.json"))
	g.Expect(err).NotTo(HaveOccurred())
	provider := struct {
		Config struct {
			GoMain         string   `json:"go_main"`
			LiveReloadDeps []string `json:"live_reload_deps"`
		} `json:"config"`
	}{}
	g.Expect(json.Unmarshal(content, &provider)).To(Succeed())
	list := func(target string) []string {
		command := exec.Command("go", "list", "-json=GoFiles", target)
		command.Dir = root
		out, err := command.Output()
		g.Expect(err).NotTo(HaveOccurred())
		listed := struct{ GoFiles []string }{}
		g.Expect(json.Unmarshal(out, &listed)).To(Succeed())
		return listed.GoFiles
	}

	built := list(provider.Config.GoMain)

	g.Expect(built).To(ConsistOf(list(".")))
	for _, file := range built {
		g.Expect(provider.Config.LiveReloadDeps).To(ContainElement(file), "a change of it is noticed")
	}
}

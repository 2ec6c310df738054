// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"os"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/kit"
)

func TestTheTableHasWhatIsPinned(t *testing.T) {
	g := NewWithT(t)
	table, err := os.ReadFile("../../hack/upstream.tsv")
	g.Expect(err).NotTo(HaveOccurred())
	versions := pinned(t)
	minor := strings.Join(strings.Split(versions["kube-apiserver"], ".")[:2], ".")
	programs, sums := map[string]bool{}, map[string]string{}
	for line := range strings.Lines(string(table)) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(line, "\t")
		g.Expect(fields).To(HaveLen(6), line)
		name, version, architecture, url, sum := fields[0], fields[1], fields[2], fields[4], fields[5]
		g.Expect(architecture).To(BeElementOf("amd64", "arm64"), line)
		g.Expect(url).To(MatchRegexp(`^https://[a-z0-9.]+/\S+$`), line)
		g.Expect(sum).To(MatchRegexp(`^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$`), line)

		switch {
		case strings.HasPrefix(name, "envtest/"):
			g.Expect(version).To(HavePrefix(minor+"."), "hack/upstream.tsv: %s", line)
		case strings.HasPrefix(url, "https://dl.k8s.io/"):
			g.Expect(version).To(BeElementOf(versions[name], kit.OldVersion), "hack/upstream.tsv: look the new version's sum up, or remove %s", line)
		default:
			g.Expect(version).To(Equal(versions[name]), "hack/upstream.tsv: look the new version's sum up, or remove %s", line)
		}
		program := name + version + architecture
		g.Expect(programs).NotTo(HaveKey(program), "%s is there twice", line)
		programs[program] = true
		if known, ok := sums[url]; ok {
			g.Expect(sum).To(Equal(known), "%s has two sums", url)
		}
		sums[url] = sum
	}
	g.Expect(programs).NotTo(BeEmpty())
}

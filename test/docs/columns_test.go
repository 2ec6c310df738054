// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package docs

import (
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// past are the times that a column may show as an age: of a date that is to come kubectl shows
// "<invalid>".
var past = []string{".metadata.creationTimestamp", ".status.attempts[-1:].decidedAt"}

// A column shows the first thing that its path finds, and no other
// (apiextensions-apiserver, pkg/registry/customresource/tableconvertor).
func TestEveryColumnShowsAllThatItNames(t *testing.T) {
	g := NewWithT(t)
	files, err := filepath.Glob(filepath.Join(root, "config/crd/bases/*.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	columns := 0
	for _, file := range files {
		content, err := os.ReadFile(file)
		g.Expect(err).NotTo(HaveOccurred())
		crd := &apiextensionsv1.CustomResourceDefinition{}
		g.Expect(yaml.Unmarshal(content, crd)).To(Succeed())
		for _, version := range crd.Spec.Versions {
			for _, column := range version.AdditionalPrinterColumns {
				columns++
				where := crd.Spec.Names.Kind + ", column " + column.Name
				g.Expect(column.JSONPath).NotTo(ContainSubstring("[*]"), "%s shows one of several", where)
				if column.Type == "date" {
					g.Expect(past).To(ContainElement(column.JSONPath), "%s may be to come: let it be a string", where)
				}
			}
		}
	}
	g.Expect(columns).To(BeNumerically(">", 50))
}

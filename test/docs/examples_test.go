// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package docs

import (
	"fmt"
	"path"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// An abridged example cannot be tried, so every one must be a whole object. A field unknown to the
// CRDs is refused as well as a wrong value.
func TestTheAPIServerAcceptsEveryExample(t *testing.T) {
	for _, example := range examples(t) {
		t.Run(example.name, func(t *testing.T) {
			g := NewWithT(t)
			object := &unstructured.Unstructured{}
			g.Expect(yaml.UnmarshalStrict([]byte(example.text), &object.Object)).To(Succeed())
			g.Expect(object.GetAPIVersion()).NotTo(BeEmpty(), "the example is no whole object: it has no apiVersion")
			g.Expect(object.GetKind()).NotTo(BeEmpty(), "the example is no whole object: it has no kind")
			g.Expect(object.GetName()).NotTo(BeEmpty(), "the example is no whole object: it has no name")
			if ofOthers(object) {
				t.Skipf("NOT CHECKED: the API server of this test does not know %s", object.GetAPIVersion())
			}
			namespaced, err := apiServer.IsObjectNamespaced(object)
			g.Expect(err).NotTo(HaveOccurred())
			if namespaced {
				// The example's own namespace is not there.
				object.SetNamespace(metav1.NamespaceDefault)
			}

			err = apiServer.Create(t.Context(), object, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))

			g.Expect(err).NotTo(HaveOccurred())
		})
	}
}

func TestEveryKindHasAPageWithAnExampleOfIt(t *testing.T) {
	seen := map[string]bool{}
	for _, example := range examples(t) {
		seen[path.Dir(example.page)+"/"+example.kind()] = true
	}
	for _, kind := range []string{
		"OCIAccount", "Tailnet", "OCIMeshCluster", "OCIMeshClusterTemplate", "OCIMeshMachine", "OCIMeshMachineTemplate",
		"OCIMeshMachinePool", "OCIMeshMachinePoolTemplate",
	} {
		NewWithT(t).Expect(seen).To(HaveKey("docs/kinds/"+kind), "docs/kinds has no example of %s", kind)
	}
}

// example is one YAML document of a page.
type example struct{ page, name, text string }

func (e example) kind() string {
	var object metav1.TypeMeta
	_ = yaml.Unmarshal([]byte(e.text), &object)
	return object.Kind
}

var separator = regexp.MustCompile(`(?m)^---\s*$`)

func examples(t *testing.T) []example {
	t.Helper()
	var found []example
	for _, file := range append(pages(t, "docs"), "README.md") {
		for _, block := range read(t, file).blocks {
			if block.language != "yaml" {
				continue
			}
			for i, text := range separator.Split(block.text, -1) {
				if strings.TrimSpace(text) != "" {
					found = append(found, example{page: file, name: fmt.Sprintf("%s:%d document %d", file, block.line, i+1), text: text})
				}
			}
		}
	}
	NewWithT(t).Expect(found).NotTo(BeEmpty())
	return found
}

// ofOthers tells whether the object's kind is neither Kubernetes' own nor this provider's.
func ofOthers(object *unstructured.Unstructured) bool {
	group := object.GroupVersionKind().Group
	return strings.HasSuffix(group, ".x-k8s.io") && group != infrav1.GroupVersion.Group
}

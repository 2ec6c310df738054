// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package docs

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// pagesOf are the pages that explain a kind's spec. Templates and pool machines have none of their
// own, but for that of machines.
var pagesOf = map[string][]string{
	"OCIAccount":                 {"ociaccount"},
	"Tailnet":                    {"tailnet"},
	"OCIMeshCluster":             {"ocimeshcluster"},
	"OCIMeshClusterTemplate":     {"ocimeshcluster"},
	"OCIMeshMachine":             {"ocimeshmachine"},
	"OCIMeshMachineTemplate":     {"ocimeshmachinetemplate", "ocimeshmachine"},
	"OCIMeshMachinePool":         {"ocimeshmachinepool", "ocimeshmachine"},
	"OCIMeshMachinePoolTemplate": {"ocimeshmachinepool", "ocimeshmachine"},
	"OCIMeshMachinePoolMachine":  {"ocimeshmachinepool"},
	"OCIMeshRemediation":         {"ocimeshremediation"},
	"OCIMeshRemediationTemplate": {"ocimeshremediation"},
}

// foreign are fields of other kinds that the pages name.
var foreign = []string{"spec.template.spec.infrastructureRef"}

// kind has the paths of the fields in a CRD, such as accounts.network.managed.
type kind struct {
	spec, status []string
	// values are those of the spec's fields with few values.
	values map[string][]string
}

func kinds(t *testing.T) map[string]kind {
	t.Helper()
	g := NewWithT(t)
	files, err := filepath.Glob(filepath.Join(root, "config/crd/bases/*.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(files).NotTo(BeEmpty())
	all := map[string]kind{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		g.Expect(err).NotTo(HaveOccurred())
		crd := &apiextensionsv1.CustomResourceDefinition{}
		g.Expect(yaml.Unmarshal(content, crd)).To(Succeed())
		properties := crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties
		spec := properties["spec"]
		all[crd.Spec.Names.Kind] = kind{fieldsOf(spec, ""), fieldsOf(properties["status"], ""), valuesOf(spec, "")}
	}
	return all
}

// fieldsOf are the paths below a schema. Selectors and metadata are Kubernetes' own.
func fieldsOf(schema apiextensionsv1.JSONSchemaProps, prefix string) (found []string) {
	if schema.Items != nil {
		return fieldsOf(*schema.Items.Schema, prefix)
	}
	for name, property := range schema.Properties {
		found = append(found, prefix+name)
		if name != "selector" && name != "metadata" {
			found = append(found, fieldsOf(property, prefix+name+".")...)
		}
	}
	slices.Sort(found)
	return found
}

// valuesOf are the values of fields that have few, by path.
func valuesOf(schema apiextensionsv1.JSONSchemaProps, path string) map[string][]string {
	if schema.Items != nil {
		return valuesOf(*schema.Items.Schema, path)
	}
	found := map[string][]string{}
	for _, value := range schema.Enum {
		found[path] = append(found[path], strings.Trim(string(value.Raw), `"`))
	}
	for name, property := range schema.Properties {
		maps.Copy(found, valuesOf(property, strings.TrimPrefix(path+"."+name, ".")))
	}
	return found
}

func TestEveryFieldOfASpecIsOnThePageOfItsKind(t *testing.T) {
	g := NewWithT(t)
	word := regexp.MustCompile(`\w+`)
	for name, fields := range kinds(t) {
		g.Expect(pagesOf).To(HaveKey(name), "which page explains the kind? Say so in pagesOf")
		named := map[string]bool{}
		for _, base := range pagesOf[name] {
			content := read(t, "docs/kinds/"+base+".md")
			code := words(strings.Join(content.prose, "\n"))
			for _, fenced := range content.blocks {
				code = append(code, fenced.text)
			}
			for _, each := range word.FindAllString(strings.Join(code, "\n"), -1) {
				named[each] = true
			}
		}
		for _, field := range fields.spec {
			if !named[field[strings.LastIndex(field, ".")+1:]] {
				t.Errorf("docs/kinds/%s.md does not name spec.%s of %s", pagesOf[name][0], field, name)
			}
		}
	}
}

func TestEveryValueOfAFieldIsOnThePageOfItsKind(t *testing.T) {
	for name, fields := range kinds(t) {
		var all strings.Builder
		for _, base := range pagesOf[name] {
			content, err := os.ReadFile(filepath.Join(root, "docs/kinds/"+base+".md"))
			NewWithT(t).Expect(err).NotTo(HaveOccurred())
			all.Write(content)
		}
		for field, values := range fields.values {
			for _, value := range values {
				if !regexp.MustCompile(`\b` + regexp.QuoteMeta(value) + `\b`).MatchString(all.String()) {
					t.Errorf("docs/kinds/%s.md does not name %s, a value of spec.%s of %s", pagesOf[name][0], value, field, name)
				}
			}
		}
	}
}

func TestPagesOfKindsNameFieldsThatThereAre(t *testing.T) {
	all := kinds(t)
	anywhere := slices.Clone(foreign)
	for _, fields := range all {
		for _, field := range fields.spec {
			anywhere = append(anywhere, "spec."+field)
		}
		for _, field := range fields.status {
			anywhere = append(anywhere, "status."+field)
		}
	}
	full := regexp.MustCompile(`^(spec|status)(\.\w+)+$`)
	for _, file := range pages(t, "docs/kinds") {
		for _, named := range words(strings.Join(read(t, file).prose, "\n")) {
			if path := withoutIndices(named); full.MatchString(path) && !slices.Contains(anywhere, path) {
				t.Errorf("%s names %s, which no kind has", file, named)
			}
		}
	}
	for name, fields := range all {
		file := "docs/kinds/" + strings.ToLower(name) + ".md"
		if _, err := os.Stat(filepath.Join(root, file)); err != nil {
			continue
		}
		for section, there := range map[string][]string{"Fields that matter": fields.spec, "Status and columns": fields.status} {
			for _, named := range fieldColumn(t, file, section) {
				if path := withoutIndices(named); !strings.HasPrefix(path, "metadata.") && !slices.Contains(there, path) {
					t.Errorf("%s: %s: %s has no field %s", file, section, name, named)
				}
			}
		}
	}
}

func withoutIndices(path string) string { return strings.ReplaceAll(path, "[]", "") }

// fieldColumn are the words in the first column of a section's tables of fields.
func fieldColumn(t *testing.T, file, section string) (found []string) {
	t.Helper()
	within, inside := false, false
	for _, line := range read(t, file).prose {
		cells := strings.Split(line, "|")
		switch {
		case strings.HasPrefix(line, "## "):
			within = line == "## "+section
		case len(cells) < 3:
			inside = false
		case strings.TrimSpace(cells[1]) == "field":
			inside = within
		case inside:
			found = append(found, words(cells[1])...)
		}
	}
	return found
}

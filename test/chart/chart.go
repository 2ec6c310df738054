// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package chart renders the values of a HelmChartProxy as the add-on provider
// for Helm does.
package chart

import (
	"bytes"
	"fmt"
	"text/template"

	"github.com/Masterminds/sprig/v3"
	"sigs.k8s.io/yaml"
)

// Objects are the objects a template may refer to, unstructured.
type Objects struct {
	Cluster, ControlPlane, InfraCluster map[string]any
}

// Values renders a valuesTemplate: Go's text/template with sprig over a cluster's
// objects (cluster-api-addon-provider-helm, internal/value_substitutions.go).
func Values(source string, objects Objects) (map[string]any, error) {
	parsed, err := template.New("values").Funcs(sprig.TxtFuncMap()).Parse(source)
	if err != nil {
		return nil, fmt.Errorf("parse the template of values: %w", err)
	}
	var out bytes.Buffer
	err = parsed.Execute(&out, map[string]any{
		"Cluster": objects.Cluster, "ControlPlane": objects.ControlPlane, "InfraCluster": objects.InfraCluster,
	})
	if err != nil {
		return nil, fmt.Errorf("render the values: %w", err)
	}
	values := map[string]any{}
	if err := yaml.UnmarshalStrict(out.Bytes(), &values); err != nil {
		return nil, fmt.Errorf("read the rendered values: %w\n%s", err, out.Bytes())
	}
	return values, nil
}

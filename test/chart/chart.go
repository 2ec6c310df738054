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

// Expand renders a valuesTemplate: Go's text/template with sprig over a cluster's objects, without
// what would tell of the controller itself (cluster-api-addon-provider-helm,
// internal/value_substitutions.go).
func Expand(source string, objects Objects) (string, error) {
	functions := sprig.TxtFuncMap()
	for _, name := range []string{"env", "expandenv", "getHostByName"} {
		delete(functions, name)
	}
	parsed, err := template.New("values").Funcs(functions).Parse(source)
	if err != nil {
		return "", fmt.Errorf("parse the template of values: %w", err)
	}
	var out bytes.Buffer
	err = parsed.Execute(&out, map[string]any{
		"Cluster": objects.Cluster, "ControlPlane": objects.ControlPlane, "InfraCluster": objects.InfraCluster,
	})
	if err != nil {
		return "", fmt.Errorf("render the values: %w", err)
	}
	return out.String(), nil
}

// Values are what a valuesTemplate renders to.
func Values(source string, objects Objects) (map[string]any, error) {
	expanded, err := Expand(source, objects)
	if err != nil {
		return nil, err
	}
	values := map[string]any{}
	if err := yaml.UnmarshalStrict([]byte(expanded), &values); err != nil {
		return nil, fmt.Errorf("read the rendered values: %w\n%s", err, expanded)
	}
	return values, nil
}

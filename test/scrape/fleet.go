// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package scrape

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/chart"
)

// Target is what the discovery of a job finds: an address, and what Kubernetes knows of it.
type Target struct {
	Address string
	Labels  map[string]string
}

func (t Target) static() map[string]any {
	return map[string]any{"targets": []any{t.Address}, "labels": t.Labels}
}

// variable is one of clusterctl's, with its default.
var variable = regexp.MustCompile(`\$\{([A-Z_]+):=([^}]*)\}`)

// FleetValues are the values of the fleet's chart for a cluster with an endpoint; variables are
// those of clusterctl's that have other values than their defaults.
func FleetValues(root string, variables map[string]string, endpoint map[string]any) (map[string]any, error) {
	content, err := os.ReadFile(filepath.Join(root, "templates", "monitoring-fleet.yaml"))
	if err != nil {
		return nil, err
	}
	content = variable.ReplaceAllFunc(content, func(found []byte) []byte {
		parts := variable.FindSubmatch(found)
		if value, given := variables[string(parts[1])]; given {
			return []byte(value)
		}
		return parts[2]
	})
	var proxy map[string]any
	if err := yaml.Unmarshal(content, &proxy); err != nil {
		return nil, fmt.Errorf("read the fleet's HelmChartProxy: %w", err)
	}
	template, found, err := unstructured.NestedString(proxy, "spec", "valuesTemplate")
	if err != nil || !found {
		return nil, errors.Join(errors.New("the fleet's HelmChartProxy has no values"), err)
	}
	return chart.Values(template, chart.Objects{
		Cluster: map[string]any{"spec": map[string]any{"controlPlaneEndpoint": endpoint}},
	})
}

// Manifests are the objects of ours that the fleet's chart installs.
func Manifests(values map[string]any) ([]map[string]any, error) {
	return objects(values, "extraManifests")
}

// Discovery finds the targets of a job's kubernetes_sd_configs.
type Discovery func(job string, discovers map[string]any) ([]Target, error)

// Configuration is a prometheus.yml of the jobs of the fleet's chart, as they are but for what
// discovers their targets, and of further jobs by their address. files are those in Prometheus'
// pod, and their places here.
func Configuration(values map[string]any, discover Discovery, further, files map[string]string) (map[string]any, error) {
	found, err := objects(values, "prometheus", "prometheusSpec", "additionalScrapeConfigs")
	if err != nil {
		return nil, err
	}
	jobs := []any{}
	for _, job := range found {
		configurations, _, err := unstructured.NestedSlice(job, "kubernetes_sd_configs")
		if err != nil {
			return nil, err
		}
		delete(job, "kubernetes_sd_configs")
		for _, discovers := range configurations {
			targets, err := discover(job["job_name"].(string), discovers.(map[string]any))
			if err != nil {
				return nil, fmt.Errorf("discover the targets of %s: %w", job["job_name"], err)
			}
			statics := []any{}
			for _, target := range targets {
				statics = append(statics, target.static())
			}
			job["static_configs"] = statics
		}
		jobs = append(jobs, job)
	}
	for name, address := range further {
		jobs = append(jobs, map[string]any{"job_name": name, "static_configs": []any{Target{Address: address}.static()}})
	}
	for path, file := range files {
		jobs = replaced(jobs, path, file).([]any)
	}
	return map[string]any{"global": map[string]any{"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": jobs}, nil
}

func objects(tree map[string]any, fields ...string) ([]map[string]any, error) {
	list, found, err := unstructured.NestedSlice(tree, fields...)
	if err != nil || !found {
		return nil, errors.Join(fmt.Errorf("the fleet's values have no %v", fields), err)
	}
	var all []map[string]any
	for _, each := range list {
		all = append(all, each.(map[string]any))
	}
	return all, nil
}

// replaced is a tree with another text in place of one.
func replaced(tree any, old, text string) any {
	switch node := tree.(type) {
	case map[string]any:
		for key, value := range node {
			node[key] = replaced(value, old, text)
		}
	case []any:
		for i, value := range node {
			node[i] = replaced(value, old, text)
		}
	case string:
		if node == old {
			return text
		}
	}
	return tree
}

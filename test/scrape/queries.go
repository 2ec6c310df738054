// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package scrape reads what config/observability asks of a Prometheus, and what the fleet's chart
// has one scrape, and hands both to test/promql.
package scrape

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

// Folder has the rules and dashboards, from the repository's root on.
const Folder = "config/observability"

// Files of Folder: the manager's, and those for the Prometheus of a mesh cluster.
var (
	ManagersRules      = "rules.yaml"
	ManagersDashboards = []string{"dashboard.json"}
	ClustersRules      = "clusters/rules.yaml"
	ClustersDashboards = []string{"clusters/tailnet.json", "clusters/etcd.json"}
)

// Query is an expression and its place.
type Query struct{ Where, Expression string }

// Rule is an alert's.
type Rule struct {
	Alert       string            `json:"alert"`
	Expr        string            `json:"expr"`
	For         string            `json:"for"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

// Panel is a dashboard's.
type Panel struct {
	Title, Description string
	Targets            []struct {
		Expr         string `json:"expr"`
		LegendFormat string `json:"legendFormat"`
	} `json:"targets"`
}

// Rules are those of a file.
func Rules(root, name string) ([]Rule, error) {
	var file struct {
		Spec struct {
			Groups []struct {
				Rules []Rule `json:"rules"`
			} `json:"groups"`
		} `json:"spec"`
	}
	if err := read(root, name, &file); err != nil {
		return nil, err
	}
	var all []Rule
	for _, group := range file.Spec.Groups {
		all = append(all, group.Rules...)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s has no rules", name)
	}
	return all, nil
}

// Panels are those of all these dashboards.
func Panels(root string, dashboards ...string) ([]Panel, error) {
	var all []Panel
	for _, name := range dashboards {
		var dashboard struct {
			Panels []Panel `json:"panels"`
		}
		if err := read(root, name, &dashboard); err != nil {
			return nil, err
		}
		if len(dashboard.Panels) == 0 {
			return nil, fmt.Errorf("%s has no panels", name)
		}
		all = append(all, dashboard.Panels...)
	}
	return all, nil
}

// Queries are all expressions, with the dashboards' variables filled in.
func Queries(root, rules string, dashboards ...string) ([]Query, error) {
	alerts, err := Rules(root, rules)
	if err != nil {
		return nil, err
	}
	var all []Query
	for _, r := range alerts {
		all = append(all, Query{"alert " + r.Alert, r.Expr})
	}
	panels, err := Panels(root, dashboards...)
	if err != nil {
		return nil, err
	}
	for _, p := range panels {
		for _, target := range p.Targets {
			all = append(all, Query{"panel " + p.Title, values("5m").Replace(target.Expr)})
		}
	}
	return all, nil
}

// values fills in dashboards' variables as Grafana does for "All", with rates over a time.
func values(rates string) *strings.Replacer {
	return strings.NewReplacer("$__rate_interval", rates, "$account", ".*", "$node", ".*")
}

func read(root, name string, into any) error {
	content, err := os.ReadFile(filepath.Join(root, Folder, name))
	if err != nil {
		return err
	}
	if err := yaml.Unmarshal(content, into); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return nil
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package scrape

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

// A recording goes on for long beside other things, and Grafana takes rates over four scrapes.
const (
	every = "15s"
	rates = "1m"
)

// Drawing is what "promql draw" of test/promql reads: it scrapes for at most that long, and draws
// dashboards into a folder.
func Drawing(root string, configuration map[string]any, longest time.Duration, folder string, dashboards ...string) ([]byte, error) {
	slow := maps.Clone(configuration)
	slow["global"] = map[string]any{"scrape_interval": every}
	text, err := yaml.Marshal(slow)
	if err != nil {
		return nil, err
	}
	all := map[string]json.RawMessage{}
	for _, name := range dashboards {
		content, err := os.ReadFile(filepath.Join(root, Folder, name))
		if err != nil {
			return nil, err
		}
		all[nameOf(name)] = json.RawMessage(values(rates).Replace(string(content)))
	}
	return json.Marshal(map[string]any{
		"configuration": string(text), "dashboards": all, "longest": longest.String(), "folder": folder,
	})
}

// Undrawn are the queries of panels that had no data, by what "promql draw" answers.
func Undrawn(root string, answer []byte, dashboards ...string) ([]Query, error) {
	var drawn struct {
		Empty map[string][]string `json:"empty"`
	}
	if err := json.Unmarshal(answer, &drawn); err != nil {
		return nil, fmt.Errorf("read what was drawn: %w", err)
	}
	var all []Query
	for _, name := range dashboards {
		empty, drew := drawn.Empty[nameOf(name)]
		if !drew {
			return nil, fmt.Errorf("%s was not drawn", name)
		}
		panels, err := Panels(root, name)
		if err != nil {
			return nil, err
		}
		for _, p := range panels {
			if !slices.Contains(empty, p.Title) {
				continue
			}
			for _, target := range p.Targets {
				all = append(all, Query{"panel " + p.Title, target.Expr})
			}
		}
	}
	return all, nil
}

// nameOf is a dashboard's name among drawings.
func nameOf(file string) string { return strings.TrimSuffix(filepath.Base(file), ".json") }

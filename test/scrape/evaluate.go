// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package scrape

import (
	"encoding/json"
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"
)

// evaluates are a query, and whether labels may have other values than it asks for.
type evaluates struct {
	Expression string `json:"expression"`
	AnyValue   bool   `json:"anyValue"`
}

// Evaluate has test/promql, which run runs, scrape and answer. It gives of each query what found no
// series, and of those that must find none what did.
func Evaluate(
	run func(input []byte, args ...string) ([]byte, error), configuration map[string]any, all []Query, absent []string,
) (missing, present []string, err error) {
	text, err := yaml.Marshal(configuration)
	if err != nil {
		return nil, nil, err
	}
	asks := make([]evaluates, 0, len(all))
	for _, q := range all {
		// What an alert waits for has not happened, nor what a panel shows as nothing then.
		asks = append(asks, evaluates{q.Expression, strings.HasPrefix(q.Where, "alert ") || strings.Contains(q.Expression, " or vector(0)")})
	}
	input, err := json.Marshal(map[string]any{"configuration": string(text), "queries": asks, "absent": absent})
	if err != nil {
		return nil, nil, err
	}
	output, err := run(input, "evaluate")
	if err != nil {
		return nil, nil, err
	}
	var found struct {
		Missing [][]string `json:"missing"`
		Present []string   `json:"present"`
	}
	if err := json.Unmarshal(output, &found); err != nil {
		return nil, nil, fmt.Errorf("read what Prometheus found: %w", err)
	}
	if len(found.Missing) != len(all) {
		return nil, nil, fmt.Errorf("%d of %d queries are answered", len(found.Missing), len(all))
	}
	for i, parts := range found.Missing {
		for _, part := range parts {
			missing = append(missing, fmt.Sprintf("%s: no series of %s", all[i].Where, part))
		}
	}
	return missing, found.Present, nil
}

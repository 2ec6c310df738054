// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package observability

import (
	"bytes"
	"maps"
	"os/exec"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/scrape"
)

// evaluate has Prometheus scrape, and gives of each query what found no series, and of those that
// must find none what did.
func evaluate(t *testing.T, configuration map[string]any, all []scrape.Query, absent []string) (missing, present []string) {
	t.Helper()
	run := func(input []byte, args ...string) ([]byte, error) { return promql(t, input, args...), nil }
	missing, present, err := scrape.Evaluate(run, configuration, all, absent)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return missing, present
}

// promql runs the program that has Prometheus' code.
func promql(t *testing.T, input []byte, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"run", "."}, args...)...)
	cmd.Dir, cmd.Stdin = filepath.Join(root, "test", "promql"), bytes.NewReader(input)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	NewWithT(t).Expect(err).NotTo(HaveOccurred(), stderr.String())
	return output
}

// configurationOf are the jobs of the fleet's chart in a cluster, and further ones.
func configurationOf(t *testing.T, w clusterWorld, further map[string]string) map[string]any {
	t.Helper()
	g := NewWithT(t)
	unused := maps.Clone(w.discovered)
	discover := func(job string, _ map[string]any) ([]scrape.Target, error) {
		delete(unused, job)
		return w.discovered[job], nil
	}
	configuration, err := scrape.Configuration(fleetValues(t, w.endpoint), discover, further, w.files)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(unused).To(BeEmpty(), "no job discovers these")
	return configuration
}

// fleetValues are the values of the fleet's chart for a cluster.
func fleetValues(t *testing.T, endpoint map[string]any) map[string]any {
	t.Helper()
	values, err := scrape.FleetValues(root, nil, endpoint)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return values
}

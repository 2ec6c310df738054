// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"testing"

	. "github.com/onsi/gomega"
	"helm.sh/helm/v3/pkg/chartutil"
)

func TestTheLabTakesOneCapabilityAway(t *testing.T) {
	g := NewWithT(t)
	agent, cleaner := []any{"CHOWN", "SYS_RESOURCE", "BPF"}, []any{"SYS_RESOURCE", "NET_ADMIN"}
	own := chartutil.Values{"securityContext": map[string]any{"privileged": false, "capabilities": map[string]any{
		"ciliumAgent": agent, "cleanCiliumState": cleaner, "mountCgroup": []any{"SYS_ADMIN"},
	}}}

	values, err := labValues(own)

	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(values).To(HaveKeyWithValue("securityContext", map[string]any{"capabilities": map[string]any{
		"ciliumAgent": []any{"CHOWN", "BPF"}, "cleanCiliumState": []any{"NET_ADMIN"},
	}}))
	g.Expect(agent).To(HaveLen(3), "the chart's own list stays")
}

func TestAChartWithoutCapabilitiesIsNotTheOneWeKnow(t *testing.T) {
	g := NewWithT(t)

	_, err := labValues(chartutil.Values{"securityContext": map[string]any{}})

	g.Expect(err).To(MatchError(ContainSubstring("capabilities of ciliumAgent")))
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package scrape

import (
	"encoding/json"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

const root = "../.."

func TestADrawingHasValuesForAllVariables(t *testing.T) {
	g := NewWithT(t)
	configuration := map[string]any{"global": map[string]any{"scrape_interval": "1s"}}

	task, err := Drawing(root, configuration, time.Hour, "pictures", ClustersDashboards...)

	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(configuration).To(HaveKeyWithValue("global", HaveKeyWithValue("scrape_interval", "1s")), "it is the caller's")
	var read struct {
		Configuration, Longest, Folder string
		Dashboards                     map[string]struct{ Panels []Panel }
	}
	g.Expect(json.Unmarshal(task, &read)).To(Succeed())
	g.Expect(read.Configuration).To(MatchYAML("global: {scrape_interval: 15s}"))
	g.Expect(read.Longest).To(Equal("1h0m0s"))
	g.Expect(read.Folder).To(Equal("pictures"))
	g.Expect(read.Dashboards).To(HaveLen(len(ClustersDashboards)))
	for name, dashboard := range read.Dashboards {
		g.Expect(dashboard.Panels).NotTo(BeEmpty(), name)
		for _, p := range dashboard.Panels {
			for _, target := range p.Targets {
				g.Expect(target.Expr).NotTo(ContainSubstring("$"), "%s: %s", name, p.Title)
			}
		}
	}
}

func TestPanelsWithoutDataAreNamedWithTheirQueries(t *testing.T) {
	g := NewWithT(t)

	empty, err := Undrawn(root, []byte(`{"empty": {"tailnet": ["Lost pings", "Routes"], "etcd": null}}`), ClustersDashboards...)

	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(empty).To(ConsistOf(
		HaveField("Where", "panel Lost pings"), HaveField("Where", "panel Routes"), HaveField("Expression", ContainSubstring("approved")),
	))
	_, err = Undrawn(root, []byte(`{"empty": {"tailnet": []}}`), ClustersDashboards...)
	g.Expect(err).To(MatchError(ContainSubstring("clusters/etcd.json was not drawn")))
}

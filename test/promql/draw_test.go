// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// three are panels: curves, a number, and nothing.
const three = `{"title": "Lab & more", "panels": [
	{"type": "timeseries", "title": "Round trip", "gridPos": {"h": 8, "w": 12, "x": 0, "y": 0},
		"fieldConfig": {"defaults": {"unit": "s"}},
		"targets": [{"expr": "lab_latency_seconds", "legendFormat": "{{node}} there"}]},
	{"type": "stat", "title": "Members", "gridPos": {"h": 8, "w": 6, "x": 12, "y": 0},
		"fieldConfig": {"defaults": {"unit": "short", "thresholds": {"steps": [{"color": "red", "value": null}, {"color": "green", "value": 3}]}}},
		"targets": [{"expr": "lab_members", "legendFormat": "all"}]},
	{"type": "timeseries", "title": "Nothing", "gridPos": {"h": 8, "w": 6, "x": 18, "y": 0},
		"fieldConfig": {"defaults": {"unit": "bytes"}},
		"targets": [{"expr": "lab_unknown", "legendFormat": "never"}, {"expr": "lab_members * NaN", "legendFormat": "not a number"}]}
]}`

func TestADashboardIsDrawnOfWhatWasScraped(t *testing.T) {
	g := NewWithT(t)
	scraped := make(chan struct{}, 100)
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		fmt.Fprint(w, "lab_latency_seconds{node=\"one\"} 0.012\nlab_latency_seconds{node=\"two\"} 0.02\nlab_members 3\n")
		scraped <- struct{}{}
	}))
	t.Cleanup(target.Close)
	folder := filepath.Join(t.TempDir(), "dashboards")
	task, err := json.Marshal(map[string]any{
		"configuration": fmt.Sprintf("{global: {scrape_interval: 1s, scrape_timeout: 1s}, scrape_configs: [{job_name: lab, static_configs: [{targets: ['%s']}]}]}",
			strings.TrimPrefix(target.URL, "http://")),
		"dashboards": map[string]any{"lab": json.RawMessage(three)}, "longest": "1h", "folder": folder,
	})
	g.Expect(err).NotTo(HaveOccurred())

	in, input := io.Pipe()
	var answer bytes.Buffer
	done := make(chan error, 1)
	go func() { done <- drawAll(in, &answer) }()
	_, err = input.Write(task)
	g.Expect(err).NotTo(HaveOccurred())
	for range 3 {
		g.Eventually(scraped, time.Minute).Should(Receive())
	}
	g.Consistently(done, "100ms").ShouldNot(Receive(), "it records until its input ends")
	g.Expect(input.Close()).To(Succeed())
	g.Eventually(done, time.Minute).Should(Receive(Succeed()))

	g.Expect(answer.String()).To(MatchJSON(`{"empty": {"lab": ["Nothing"]}}`))
	texts := textsOf(t, filepath.Join(folder, "lab.svg"))
	for _, once := range []string{"Lab & more", "Round trip", "Members", "Nothing", "one there", "two there", "3", "all", "no data"} {
		g.Expect(texts[once]).To(Equal(1), "%q in %v", once, texts)
	}
	g.Expect(texts).To(HaveKey("20 ms"), "the axis has its unit")
	g.Expect(texts).NotTo(HaveKey("never"))
}

// textsOf counts the texts of a picture, which has to be well-formed.
func textsOf(t *testing.T, file string) map[string]int {
	t.Helper()
	g := NewWithT(t)
	content, err := os.ReadFile(file)
	g.Expect(err).NotTo(HaveOccurred())
	texts, decoder := map[string]int{}, xml.NewDecoder(bytes.NewReader(content))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return texts
		}
		g.Expect(err).NotTo(HaveOccurred())
		if element, ok := token.(xml.StartElement); ok && element.Name.Local == "text" {
			var words string
			g.Expect(decoder.DecodeElement(&words, &element)).To(Succeed())
			texts[words]++
		}
	}
}

func TestDashboardsOfClustersCanBeDrawn(t *testing.T) {
	files, err := filepath.Glob("../../config/observability/clusters/*.json")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(files).NotTo(BeEmpty())
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			g := NewWithT(t)
			content, err := os.ReadFile(file)
			g.Expect(err).NotTo(HaveOccurred())
			var read dashboard
			g.Expect(json.Unmarshal(content, &read)).To(Succeed())
			g.Expect(read.Panels).NotTo(BeEmpty())
			g.Expect(read.check()).To(Succeed())
		})
	}
}

func TestWhatCannotBeDrawnIsNamed(t *testing.T) {
	g := NewWithT(t)
	var read dashboard
	g.Expect(json.Unmarshal([]byte(`{"panels": [{"type": "table", "title": "Odd", "fieldConfig": {"defaults": {
		"unit": "volt", "thresholds": {"steps": [{"color": "pink", "value": null}]}}}}]}`), &read)).To(Succeed())

	err := read.check()

	for _, part := range []string{`Odd: panels of type "table"`, `the unit "volt"`, `the colour "pink"`} {
		g.Expect(err).To(MatchError(ContainSubstring(part)))
	}
}

func TestAxesHaveFewRoundNumbersWithTheirUnit(t *testing.T) {
	for _, tc := range []struct {
		unit string
		top  float64
		want []string
	}{
		{"s", 0.0123, []string{"0 ms", "5 ms", "10 ms", "15 ms"}},
		{"s", 0.02, []string{"0 ms", "5 ms", "10 ms", "15 ms", "20 ms"}},
		{"bytes", 3.1 * (1 << 20), []string{"0 MiB", "1 MiB", "2 MiB", "3 MiB", "4 MiB"}},
		{"percentunit", 0.004, []string{"0.0 %", "0.1 %", "0.2 %", "0.3 %", "0.4 %"}},
		{"percentunit", 0, []string{"0 %", "50 %", "100 %"}},
		{"Bps", 0, []string{"0.0 B/s", "0.5 B/s", "1.0 B/s"}},
		{"short", 4, []string{"0", "1", "2", "3", "4"}},
	} {
		t.Run(fmt.Sprint(tc.unit, tc.top), func(t *testing.T) {
			var got []string
			for _, each := range axisOf(tc.unit, tc.top).ticks {
				got = append(got, each.text)
			}
			NewWithT(t).Expect(got).To(Equal(tc.want))
		})
	}
}

func TestATimeAxisHasFullMinutes(t *testing.T) {
	from := time.Date(2026, 11, 30, 7, 58, 40, 0, time.UTC)
	var got []string
	for _, each := range timeTicks(span{from: from, to: from.Add(25 * time.Minute)}, 6) {
		got = append(got, each.text)
	}
	NewWithT(t).Expect(got).To(Equal([]string{"08:00", "08:05", "08:10", "08:15", "08:20"}))
}

func TestStackedCurvesLieOnEachOther(t *testing.T) {
	p := panel{found: []series{
		{name: "below", points: []point{{at: 0, value: 2}, {at: 1, value: 3}}},
		{name: "above", points: []point{{at: 1, value: 4}}},
	}}
	NewWithT(t).Expect(p.curves()).To(Equal(p.found))
	p.FieldConfig.Defaults.Custom.Stacking.Mode = "normal"
	NewWithT(t).Expect(p.curves()).To(Equal([]series{
		{name: "below", points: []point{{at: 0, value: 2}, {at: 1, value: 3}}},
		{name: "above", points: []point{{at: 1, low: 3, value: 7}}},
	}))
}

func TestCurvesStopWhereAPointIsMissing(t *testing.T) {
	NewWithT(t).Expect(unbroken([]point{{at: 0}, {at: 15}, {at: 45}, {at: 60}}, 15)).To(Equal([][]point{{{at: 0}, {at: 15}}, {{at: 45}, {at: 60}}}))
}

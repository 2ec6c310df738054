// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Metrics are the families of a scrape by name.
type Metrics map[string]*dto.MetricFamily

// Diagnostics reads the manager's diagnostics.
type Diagnostics struct {
	url, token string
	client     *http.Client
}

// newDiagnostics reads with the token of an account with all rights.
func newDiagnostics(address, token string) *Diagnostics {
	return &Diagnostics{
		url: "https://" + address, token: token,
		client: &http.Client{Timeout: time.Minute, Transport: &http.Transport{
			// The manager signs its own certificate here.
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		}},
	}
}

// Get returns the content of a path, such as /debug/pprof/heap.
func (d *Diagnostics) Get(ctx context.Context, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url+path, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+d.token)
	response, err := d.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("read the manager's diagnostics: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(response.Status)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s of the manager: %w", path, err)
	}
	return body, nil
}

// Scrape reads the metrics.
func (d *Diagnostics) Scrape(ctx context.Context) (Metrics, error) {
	text, err := d.Get(ctx, "/metrics")
	if err != nil {
		return nil, err
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("parse the manager's metrics: %w", err)
	}
	return families, nil
}

// Sum adds up the counters and gauges of a family with these label values.
func (m Metrics) Sum(name string, labels map[string]string) float64 {
	total := 0.0
	for _, metric := range m[name].GetMetric() {
		if hasLabels(metric, labels) {
			total += metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
		}
	}
	return total
}

func hasLabels(metric *dto.Metric, labels map[string]string) bool {
	matching := 0
	for _, label := range metric.GetLabel() {
		if wanted, ok := labels[label.GetName()]; ok && wanted == label.GetValue() {
			matching++
		}
	}
	return matching == len(labels)
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build lab && cilium

package cluster_test

import (
	"encoding/json"
	"strings"

	. "github.com/onsi/gomega"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	corev1 "k8s.io/api/core/v1"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/fleet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/podnetwork"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/world"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/watch"
)

// hubblePort is where an agent has Hubble's metrics for a Prometheus in the cluster.
const hubblePort = ":9965"

// hubble is what an agent's Hubble makes of a pod's connections.
type hubble struct {
	target *corev1.Pod
	// home is the pod's machine, far a probe of another one.
	home   watch.Machine
	probes *podnetwork.Probes
	far    corev1.Pod
	// drops are how many packets policies had dropped before.
	drops float64
}

// hubbleFlow is one that "node flows" prints.
type hubbleFlow struct {
	Verdict, Reason, From, To string
}

func (s *suite) hubbleOf(target *corev1.Pod) hubble {
	s.t.Helper()
	h := hubble{target: target, home: s.machineOf(target.Spec.NodeName)}
	h.probes, h.far = s.probeBeside(target.Spec.NodeName)
	h.drops = h.metrics(s).Sum("hubble_drop_total", policyDenied)
	return h
}

var policyDenied = map[string]string{"reason": "POLICY_DENIED", "protocol": "TCP"}

// expectDenied expects that a connection's end is told with its reason, in flows and in metrics.
func (h hubble) expectDenied(s *suite) {
	s.t.Helper()
	s.Eventually(func() ([]hubbleFlow, error) { return h.flows(s) }, soon, interval).Should(ContainElement(h.flow("DROPPED", "POLICY_DENIED")))
	s.Eventually(func() float64 { return h.metrics(s).Sum("hubble_drop_total", policyDenied) }, soon, interval).Should(BeNumerically(">", h.drops))
}

func (h hubble) expectAllowed(s *suite) {
	s.t.Helper()
	s.Eventually(func() ([]hubbleFlow, error) { return h.flows(s) }, soon, interval).Should(ContainElement(h.flow("FORWARDED", "")))
	s.Expect(h.metrics(s).Sum("hubble_flows_processed_total", map[string]string{"verdict": "FORWARDED", "protocol": "TCP"})).To(BeNumerically(">", 0))
}

func (h hubble) flow(verdict, reason string) hubbleFlow {
	return hubbleFlow{Verdict: verdict, Reason: reason, From: h.far.Namespace + "/" + h.far.Name, To: h.target.Namespace + "/" + h.target.Name}
}

// flows are the latest to the pod that its agent has.
func (h hubble) flows(s *suite) ([]hubbleFlow, error) {
	out, err := s.booted(h.home).Exec(s.t.Context(), "/opt/capom-lab/node", "flows", h.target.Namespace+"/"+h.target.Name)
	if err != nil {
		return nil, err
	}
	var flows []hubbleFlow
	for line := range strings.Lines(out) {
		var f hubbleFlow
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			return nil, err
		}
		flows = append(flows, f)
	}
	return flows, nil
}

// metrics are Hubble's on the pod's node, got as a Prometheus on another node gets them.
func (h hubble) metrics(s *suite) fleet.Metrics {
	s.t.Helper()
	var families fleet.Metrics
	s.Eventually(func() error {
		text, err := h.probes.Get(s.t.Context(), h.far, "http://"+world.InternalIP(s.node(h.home)).String()+hubblePort+"/metrics")
		if err != nil {
			return err
		}
		parser := expfmt.NewTextParser(model.UTF8Validation)
		families, err = parser.TextToMetricFamilies(strings.NewReader(text))
		return err
	}, soon, interval).Should(Succeed())
	return families
}

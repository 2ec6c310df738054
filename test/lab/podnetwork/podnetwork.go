// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package podnetwork installs the stand-in for Cilium on a cluster of the lab, with settings from
// our HelmChartProxy's values for Cilium, and asks its pods whether they reach each other.
//
// One feature is Cilium's alone and not here: the CiliumClusterwideNetworkPolicy in our templates.
// Of the two protections of the metadata service from pods, only the host's rules are tested in the
// lab.
package podnetwork

import (
	"fmt"
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/chart"
)

// Settings are for the agent on the nodes.
type Settings struct {
	// RoutingMode is tunnel or native, as Cilium's routingMode.
	RoutingMode string
	// Host and Port are the control plane's endpoint.
	Host, Port string
	// MTU is the underlay's.
	MTU int
	// PodCIDR is the range without masquerading.
	PodCIDR string
	// Mark is put on the tunnel's packets; empty for none.
	Mark string
}

// SettingsOf reads the settings from a HelmChartProxy's values, rendered for a cluster.
func SettingsOf(proxy *unstructured.Unstructured, objects chart.Objects) (Settings, error) {
	source, _, err := unstructured.NestedString(proxy.Object, "spec", "valuesTemplate")
	if err != nil {
		return Settings{}, fmt.Errorf("read the HelmChartProxy: %w", err)
	}
	values, err := chart.Values(source, objects)
	if err != nil {
		return Settings{}, err
	}
	blocks, _, err := unstructured.NestedStringSlice(objects.Cluster, "spec", "clusterNetwork", "pods", "cidrBlocks")
	if err != nil || len(blocks) == 0 {
		return Settings{}, fmt.Errorf("the Cluster names no pod network: %w", err)
	}
	s := Settings{RoutingMode: text(values["routingMode"]), Host: text(values["k8sServiceHost"]), Port: text(values["k8sServicePort"]), PodCIDR: blocks[0]}
	if native := text(values["ipv4NativeRoutingCIDR"]); native != "" {
		s.PodCIDR = native
	}
	if s.MTU, err = strconv.Atoi(text(values["MTU"])); err != nil {
		return s, fmt.Errorf("the values' MTU: %w", err)
	}
	if s.Host == "" || (s.RoutingMode != "tunnel" && s.RoutingMode != "native") {
		return s, fmt.Errorf("the values have no endpoint, or an unknown routing mode %q", s.RoutingMode)
	}
	return s, nil
}

// text is a value of YAML as a word; empty when there is none.
func text(value any) string {
	if value == nil {
		return ""
	}
	return fmt.Sprint(value)
}

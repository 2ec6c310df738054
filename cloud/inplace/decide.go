// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package inplace decides which changes of a machine need no other machine. It knows specs as the
// API server has them, and neither reads nor changes anything.
package inplace

import (
	"encoding/json"
	"fmt"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// Operation is one of a JSON patch (RFC 6902) that turns the current spec into the desired one.
type Operation struct {
	Op   string `json:"op"`
	Path string `json:"path"`
	// Value is the desired spec's own, so that nothing of it is lost.
	Value any `json:"value,omitempty"`
}

// Infrastructure returns the differences between two specs of an OCIMeshMachine, or of a template's
// machines, that the provider takes over. What it leaves out needs another machine. at is the JSON
// pointer of the spec in its object; agent says whether the nodes have the agent for versions
// and volumes.
func Infrastructure(at string, current, desired map[string]any, agent bool) ([]Operation, error) {
	from, err := decoded(current)
	if err != nil {
		return nil, fmt.Errorf("reading the current spec: %w", err)
	}
	to, err := decoded(desired)
	if err != nil {
		return nil, fmt.Errorf("reading the desired spec: %w", err)
	}
	var taken []Operation
	for _, field := range []struct {
		name  string
		takes func(from, to infrav1.OCIMeshMachineSpec) bool
	}{
		{"tags", otherTags}, {"shapes", otherSizes}, {"onStop", otherOnStop},
		{"bootVolume", func(from, to infrav1.OCIMeshMachineSpec) bool { return largerBootVolume(from, to, agent) }},
		{"dataVolumes", func(from, to infrav1.OCIMeshMachineSpec) bool { return largerDataVolumes(from, to, agent) }},
		{"tailscale", func(from, to infrav1.OCIMeshMachineSpec) bool { return agent && otherTailscale(from, to) }},
	} {
		if !field.takes(from, to) {
			continue
		}
		operation := Operation{Op: "add", Path: at + "/" + field.name, Value: desired[field.name]}
		if operation.Value == nil {
			operation.Op = "remove"
		}
		taken = append(taken, operation)
	}
	return taken, nil
}

func decoded(spec map[string]any) (infrav1.OCIMeshMachineSpec, error) {
	var out infrav1.OCIMeshMachineSpec
	text, err := json.Marshal(spec)
	if err != nil {
		return out, err
	}
	return out, json.Unmarshal(text, &out)
}

// otherTags can be set on an instance at any time.
func otherTags(from, to infrav1.OCIMeshMachineSpec) bool {
	if len(from.Tags) != len(to.Tags) {
		return true
	}
	for name, value := range from.Tags {
		if got, is := to.Tags[name]; !is || got != value {
			return true
		}
	}
	return false
}

// otherSizes are for the same shapes in the same order: OCI gives an instance of a flexible shape
// other OCPUs and memory by a restart (OCI documentation, "Changing the Shape of an Instance").
func otherSizes(from, to infrav1.OCIMeshMachineSpec) bool {
	if len(from.Shapes) != len(to.Shapes) || from.IsPreemptible() {
		return false
	}
	differ := false
	for i, before := range from.Shapes {
		after := to.Shapes[i]
		differ = differ || after != before
		after.OCPUs, after.MemoryGB = before.OCPUs, before.MemoryGB
		if after != before {
			return false
		}
	}
	return differ
}

// otherOnStop is read at the next stop, and nothing else is to be done for it.
func otherOnStop(from, to infrav1.OCIMeshMachineSpec) bool { return from.OnStop != to.OnStop }

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package inplace

import (
	"testing"

	. "github.com/onsi/gomega"
)

func TestWhatWasForKubeadmInitAloneNeedsNoOtherMachine(t *testing.T) {
	type config = map[string]any
	phases := func(names ...any) []any { return names }
	patches := config{"directory": "/etc/kubernetes/patches"}
	remove := func(field string) Operation { return Operation{Op: "remove", Path: "/spec/joinConfiguration/" + field} }
	for name, world := range map[string]struct {
		current, desired config
		want             []Operation
	}{
		"the first control plane's": {config{"skipPhases": phases("addon/kube-proxy"), "patches": patches}, config{},
			[]Operation{remove("skipPhases"), remove("patches")}},
		"beside others for joins": {
			config{"skipPhases": phases("addon"), "patches": patches}, config{"skipPhases": phases("preflight"), "patches": patches},
			[]Operation{{Op: "add", Path: "/spec/joinConfiguration/skipPhases", Value: phases("preflight")}},
		},
		"a phase of both":             {config{"skipPhases": phases("preflight"), "patches": patches}, config{}, nil},
		"patches of a join":           {config{"patches": patches}, config{}, nil},
		"more phases skipped by join": {config{}, config{"skipPhases": phases("preflight")}, nil},
		"nothing of a join":           {nil, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			current, desired := config{"joinConfiguration": world.current}, config{"joinConfiguration": world.desired}
			NewWithT(t).Expect(Bootstrap("/spec", current, desired)).To(Equal(world.want))
		})
	}
	NewWithT(t).Expect(Bootstrap("/spec", nil, nil)).To(BeNil())
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package inplace

import (
	"reflect"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	bootstrapv1 "sigs.k8s.io/cluster-api/api/bootstrap/kubeadm/v1beta2"
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

// Also of the first control plane, whose phases are taken over: a field that comes to Cluster API
// later is not taken over by accident.
func TestEveryOtherFieldOfABootstrapConfigNeedsAnotherMachine(t *testing.T) {
	taken := map[string]bool{"joinConfiguration": true, "skipPhases": true, "patches": true}
	first := func() map[string]any { return map[string]any{"skipPhases": []any{"addon/kube-proxy"}} }
	for field := range fieldsOf(reflect.TypeFor[bootstrapv1.KubeadmConfigSpec](), taken) {
		t.Run(field, func(t *testing.T) {
			current := map[string]any{"joinConfiguration": first()}
			desired := map[string]any{"joinConfiguration": first(), field: "another"}
			NewWithT(t).Expect(Bootstrap("/spec", current, desired)).To(BeEmpty())
		})
	}
	for field := range fieldsOf(reflect.TypeFor[bootstrapv1.JoinConfiguration](), taken) {
		t.Run("joinConfiguration."+field, func(t *testing.T) {
			current, desired := first(), first()
			desired[field] = "another"
			operations := Bootstrap("/spec", map[string]any{"joinConfiguration": current}, map[string]any{"joinConfiguration": desired})
			NewWithT(t).Expect(operations).To(BeEmpty())
		})
	}
}

// fieldsOf are a type's by their names in JSON, but for those that are taken over.
func fieldsOf(of reflect.Type, taken map[string]bool) map[string]bool {
	fields := map[string]bool{}
	for field := range of.Fields() {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); !taken[name] {
			fields[name] = true
		}
	}
	return fields
}

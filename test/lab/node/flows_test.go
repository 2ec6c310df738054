// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	. "github.com/onsi/gomega"
	"google.golang.org/protobuf/encoding/protowire"
)

func TestFlowsAreRead(t *testing.T) {
	number := func(of protowire.Number, value uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(nil, of, protowire.VarintType), value)
	}
	text := func(of protowire.Number, value string) []byte {
		return protowire.AppendString(protowire.AppendTag(nil, of, protowire.BytesType), value)
	}
	pod := func(of protowire.Number, namespace, name string) []byte {
		return text(of, string(append(text(endpointNamespace, namespace), text(endpointPod, name)...)))
	}
	join := func(parts ...[]byte) (all []byte) {
		for _, part := range parts {
			all = append(all, part...)
		}
		return all
	}
	for world, c := range map[string]struct {
		message []byte
		is      flow
	}{
		"a denied packet": {
			join(number(flowVerdict, 2), pod(flowSource, "default", "a"), pod(flowDestination, "default", "b"), number(flowDropDesc, 133)),
			flow{"DROPPED", "POLICY_DENIED", "default/a", "default/b"},
		},
		"a forwarded one from outside, among fields that are not read": {
			join(number(flowVerdict, 1), text(34, "uuid"), number(16, 1), pod(flowDestination, "default", "b")), flow{"FORWARDED", "", "", "default/b"},
		},
		"a drop for another reason": {join(number(flowVerdict, 2), number(flowDropDesc, 181)), flow{"DROPPED", "181", "", ""}},
		"nothing":                   {nil, flow{}},
		"half a message":            {number(flowVerdict, 1)[:1], flow{}},
	} {
		t.Run(world, func(t *testing.T) {
			NewWithT(t).Expect(flowOf(fieldsOf(c.message))).To(Equal(c.is))
		})
	}
}

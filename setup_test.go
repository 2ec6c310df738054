// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"reflect"
	"testing"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
	"github.com/ocimesh/cluster-api-provider-ocimesh/exp/controllers/poolmachine"
)

// A device of a kind that is in no list looks like nobody's: another object may take it.
func TestEveryKindThatRecordsADeviceIsAskedWhoseADeviceIs(t *testing.T) {
	g := NewWithT(t)
	asked := []reflect.Type{reflect.TypeFor[infrav1.OCIMeshMachine]()}
	for _, list := range poolmachine.DeviceKinds() {
		items, ok := reflect.TypeOf(list).Elem().FieldByName("Items")
		g.Expect(ok).To(BeTrue())
		asked = append(asked, items.Type.Elem())
	}
	scheme, err := newScheme()
	g.Expect(err).NotTo(HaveOccurred())
	var recording []reflect.Type
	for _, kind := range scheme.AllKnownTypes() {
		status, ok := kind.FieldByName("Status")
		if !ok || status.Type.Kind() != reflect.Struct {
			continue
		}
		for field := range status.Type.Fields() {
			if field.Type == reflect.TypeFor[infrav1.TailnetDeviceStatus]() {
				recording = append(recording, kind)
				g.Expect(reflect.PointerTo(kind).Implements(reflect.TypeFor[tailnetnode.Object]())).To(BeTrue(), "%s has no GetTailnetDevice", kind)
			}
		}
	}
	g.Expect(recording).To(ConsistOf(asked), "kinds with a TailnetDeviceStatus, and OCIMeshMachine with poolmachine.DeviceKinds")
}

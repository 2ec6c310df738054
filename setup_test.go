// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"reflect"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

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

// reader is a client.Reader to tell from another one.
type reader struct {
	client.Reader
	of string
}

// The cache of a manager for one namespace does not show whose a device is elsewhere.
func TestAManagerOfOneNamespaceAsksTheAPIServerWhoseADeviceIs(t *testing.T) {
	for name, world := range map[string]struct{ namespace, asks string }{
		"a manager for all namespaces": {asks: "the cache"},
		"a manager for one":            {namespace: "tenant", asks: "the API server"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			options := defaultOptions()
			options.namespace = world.namespace

			devices := deviceStatuses(reader{of: "the cache"}, reader{of: "the API server"}, options)

			g.Expect(devices.Client).To(Equal(reader{of: world.asks}))
			g.Expect(devices.Others).To(Equal(poolmachine.DeviceKinds()))
			g.Expect(options.gates.Set(string(machinePoolGate) + "=false")).To(Succeed())
			g.Expect(deviceStatuses(nil, nil, options).Others).To(BeEmpty(), "there is no cache of pool machines without their gate")
		})
	}
}

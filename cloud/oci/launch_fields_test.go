// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci_test

import (
	"encoding/json"
	"reflect"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/fields"
)

// notConfigured are the fields of a launch missing from an instance configuration, with reasons.
var notConfigured = map[string]string{
	"AvailabilityDomain": "the pool says where its instances go",
	"FaultDomain":        "the pool says where its instances go",
	"SubnetID":           "the pool says where its instances go",
}

// The launch of an instance and the configuration of a pool's are two bodies of two families of the
// SDK's types: an option can be forgotten in one of them, and nothing else would notice.
func TestEveryFieldOfALaunchReachesBothBodies(t *testing.T) {
	g := NewWithT(t)
	sent := func(spec oci.LaunchSpec) (launch, configuration string) {
		f := newFake(t)
		f.on(launchPath, answer(200, `{}`))
		f.on("POST /20160918/instanceConfigurations", answer(200, `{"id":"c"}`))
		c := newClient(t, f)
		_, err := c.LaunchInstance(t.Context(), spec)
		g.Expect(err).NotTo(HaveOccurred())
		_, err = c.CreateInstanceConfiguration(t.Context(), spec, nil)
		g.Expect(err).NotTo(HaveOccurred())
		first, second := f.seen()[0], f.seen()[1]
		return first.header.Get("Opc-Retry-Token") + first.body, second.header.Get("Opc-Retry-Token") + second.body
	}
	full := func() oci.LaunchSpec {
		var spec oci.LaunchSpec
		fields.Fill(reflect.ValueOf(&spec).Elem())
		return spec
	}
	launch, configuration := sent(full())
	seen := map[string]bool{}
	for _, name := range fields.Leaves(reflect.TypeFor[oci.LaunchSpec](), nil) {
		seen[name] = true
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			spec := full()
			fields.At(reflect.ValueOf(&spec).Elem(), name).SetZero()

			changedLaunch, changedConfiguration := sent(spec)

			g.Expect(changedLaunch).NotTo(Equal(launch), "no effect on a launch")
			if notConfigured[name] == "" {
				g.Expect(changedConfiguration).NotTo(Equal(configuration), "no effect on an instance configuration")
			}
		})
	}
	for name := range notConfigured {
		g.Expect(seen).To(HaveKey(name), "%s is no field of a launch", name)
	}
}

// User data is rendered into the room that other metadata leaves: what is sent and not counted
// there makes OCI refuse the launch.
func TestAllMetadataButTheUserDataIsCounted(t *testing.T) {
	g := NewWithT(t)
	var spec oci.LaunchSpec
	fields.Fill(reflect.ValueOf(&spec).Elem())
	f := newFake(t)
	f.on(launchPath, answer(200, `{}`))
	_, err := newClient(t, f).LaunchInstance(t.Context(), spec)
	g.Expect(err).NotTo(HaveOccurred())
	var body struct{ Metadata map[string]string }
	g.Expect(json.Unmarshal([]byte(f.seen()[0].body), &body)).To(Succeed())
	g.Expect(body.Metadata).To(HaveKey("user_data"))

	delete(body.Metadata, "user_data")

	g.Expect(spec.Metadata()).To(Equal(body.Metadata))
}

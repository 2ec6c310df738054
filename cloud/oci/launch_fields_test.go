// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
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
		fill(reflect.ValueOf(&spec).Elem())
		return spec
	}
	launch, configuration := sent(full())
	seen := map[string]bool{}
	for _, path := range leaves(reflect.TypeFor[oci.LaunchSpec](), nil) {
		name := strings.Join(path, ".")
		seen[name] = true
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			spec := full()
			at(reflect.ValueOf(&spec).Elem(), path).SetZero()

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

// leaves are the paths of all fields that are no structs and no lists of structs.
func leaves(of reflect.Type, path []string) [][]string {
	if of.Kind() == reflect.Slice && of.Elem().Kind() == reflect.Struct {
		of = of.Elem()
	}
	if of.Kind() != reflect.Struct {
		return [][]string{path}
	}
	var all [][]string
	for field := range of.Fields() {
		all = append(all, leaves(field.Type, append(slices.Clip(path), field.Name))...)
	}
	return all
}

// at is the value at a path, of the first element of each list on it.
func at(value reflect.Value, path []string) reflect.Value {
	for _, name := range path {
		if value.Kind() == reflect.Slice {
			value = value.Index(0)
		}
		value = value.FieldByName(name)
	}
	return value
}

// fill sets a value, and everything in it, to something other than zero.
func fill(value reflect.Value) {
	switch value.Kind() {
	case reflect.String:
		value.SetString("text")
	case reflect.Bool:
		value.SetBool(true)
	case reflect.Int, reflect.Int32, reflect.Int64:
		value.SetInt(7)
	case reflect.Uint8:
		value.SetUint('a')
	case reflect.Float64:
		value.SetFloat(7)
	case reflect.Pointer:
		value.Set(reflect.New(value.Type().Elem()))
		fill(value.Elem())
	case reflect.Slice:
		value.Set(reflect.MakeSlice(value.Type(), 1, 1))
		fill(value.Index(0))
	case reflect.Map:
		value.Set(reflect.MakeMap(value.Type()))
		key, element := reflect.New(value.Type().Key()).Elem(), reflect.New(value.Type().Elem()).Elem()
		fill(key)
		fill(element)
		value.SetMapIndex(key, element)
	case reflect.Struct:
		for i := range value.NumField() {
			fill(value.Field(i))
		}
	default:
		panic("a field of kind " + value.Kind().String() + " is not known to this test")
	}
}

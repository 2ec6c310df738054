// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"reflect"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
)

// notLaunched are the fields of a machine's spec without a place in a launch, and where they go
// instead.
var notLaunched = map[string]string{
	"ProviderID":             "it says what was launched",
	"Accounts":               "the placement, which chooses the account",
	"Image":                  "the placement, which has the image's OCID",
	"OnStop":                 "nothing: it is for the instance's later life",
	"Bootstrap":              "the user data: see package userdata",
	"Tailscale":              "the user data: see package userdata",
	"DataVolumes.FileSystem": "the user data: see package userdata",
	"DataVolumes.MountPath":  "the user data: see package userdata",
}

const shapeOfFields = "VM.Standard.A1.Flex"

// fullSpec has every field of notLaunched's complement set.
func fullSpec() infrav1.OCIMeshMachineSpec {
	yes := true
	return infrav1.OCIMeshMachineSpec{
		Shapes: []infrav1.Shape{{Name: shapeOfFields, OCPUs: 1, MemoryGB: 6}}, BootVolume: infrav1.BootVolume{SizeGB: 50, VPUsPerGB: 10},
		DataVolumes:       []infrav1.DataVolume{{Name: "data", SizeGB: 50, VPUsPerGB: 10}},
		SSHAuthorizedKeys: []string{"ssh-ed25519 AAAA a"}, Preemptible: &yes, Tags: map[string]string{"team": "red"},
	}
}

func TestEveryFieldOfAMachineReachesItsLaunchOrIsKnownNotTo(t *testing.T) {
	g := NewWithT(t)
	launched := func(spec infrav1.OCIMeshMachineSpec) oci.LaunchSpec {
		return Spec(Launch{Machine: spec, Placement: infrav1.Placement{Shape: shapeOfFields}})
	}
	whole, seen := launched(fullSpec()), map[string]bool{}
	for _, path := range leaves(reflect.TypeFor[infrav1.OCIMeshMachineSpec](), "", notLaunched) {
		seen[path] = true
		if notLaunched[path] != "" {
			continue
		}
		without := fullSpec()
		value := at(reflect.ValueOf(&without).Elem(), path)
		g.Expect(value.IsZero()).To(BeFalse(), "set %s above, or say in notLaunched what has it", path)
		value.SetZero()
		g.Expect(reflect.DeepEqual(launched(without), whole)).To(BeFalse(), "%s has no effect on the launch", path)
	}
	for path := range notLaunched {
		g.Expect(seen).To(HaveKey(path), "%s is no field of a machine's spec", path)
	}
}

// leaves are the paths of all fields, down to those that are no structs and no lists of structs, or
// that are listed.
func leaves(of reflect.Type, path string, listed map[string]string) []string {
	if of.Kind() == reflect.Slice && of.Elem().Kind() == reflect.Struct {
		of = of.Elem()
	}
	if of.Kind() != reflect.Struct || listed[path] != "" {
		return []string{path}
	}
	var all []string
	for field := range of.Fields() {
		all = append(all, leaves(field.Type, strings.TrimPrefix(path+"."+field.Name, "."), listed)...)
	}
	return all
}

// at is the value at a path, of the first element of each list on it.
func at(value reflect.Value, path string) reflect.Value {
	for name := range strings.SplitSeq(path, ".") {
		if value.Kind() == reflect.Slice {
			value = value.Index(0)
		}
		value = value.FieldByName(name)
	}
	return value
}

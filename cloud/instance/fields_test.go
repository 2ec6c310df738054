// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"reflect"
	"testing"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/fields"
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
	for _, path := range fields.Leaves(reflect.TypeFor[infrav1.OCIMeshMachineSpec](), notLaunched) {
		seen[path] = true
		if notLaunched[path] != "" {
			continue
		}
		without := fullSpec()
		value := fields.At(reflect.ValueOf(&without).Elem(), path)
		g.Expect(value.IsZero()).To(BeFalse(), "set %s above, or say in notLaunched what has it", path)
		value.SetZero()
		g.Expect(reflect.DeepEqual(launched(without), whole)).To(BeFalse(), "%s has no effect on the launch", path)
	}
	for path := range notLaunched {
		g.Expect(seen).To(HaveKey(path), "%s is no field of a machine's spec", path)
	}
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"reflect"
	"testing"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// notLaunched are the fields of a machine's spec without a place in a launch, and where they go
// instead.
var notLaunched = map[string]string{
	"ProviderID": "it says what was launched",
	"Accounts":   "the placement, which chooses the account",
	"Image":      "the placement, which has the image's OCID",
	"OnStop":     "nothing: it is for the instance's later life",
	"Bootstrap":  "the user data: see package userdata",
	"Tailscale":  "the user data: see package userdata",
}

func TestEveryFieldOfAMachineReachesItsLaunchOrIsKnownNotTo(t *testing.T) {
	g := NewWithT(t)
	const shape = "VM.Standard.A1.Flex"
	yes := true
	full := infrav1.OCIMeshMachineSpec{
		Shapes: []infrav1.Shape{{Name: shape, OCPUs: 1, MemoryGB: 6}}, BootVolume: infrav1.BootVolume{SizeGB: 50, VPUsPerGB: 10},
		DataVolumes:       []infrav1.DataVolume{{Name: "data", SizeGB: 50, VPUsPerGB: 10}},
		SSHAuthorizedKeys: []string{"ssh-ed25519 AAAA a"}, Preemptible: &yes, Tags: map[string]string{"team": "red"},
	}
	at := infrav1.Placement{Shape: shape}
	whole := Spec(Launch{Machine: full, Placement: at})
	of := reflect.TypeFor[infrav1.OCIMeshMachineSpec]()
	for field := range of.Fields() {
		without := full
		value := reflect.ValueOf(&without).Elem().FieldByIndex(field.Index)
		if why := notLaunched[field.Name]; why != "" {
			continue
		}
		g.Expect(value.IsZero()).To(BeFalse(), "set %s above, or say in notLaunched what has it", field.Name)
		value.SetZero()
		changed := Spec(Launch{Machine: without, Placement: at})
		g.Expect(reflect.DeepEqual(changed, whole)).To(BeFalse(), "%s has no effect on the launch", field.Name)
	}
	for name := range notLaunched {
		_, known := of.FieldByName(name)
		g.Expect(known).To(BeTrue(), "%s is no field of a machine's spec", name)
	}
}

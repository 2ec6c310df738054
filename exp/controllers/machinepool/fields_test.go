// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool

import (
	"reflect"
	"testing"

	. "github.com/onsi/gomega"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// notAPools are the fields of a machine's spec that a pool has not under the same name, and why.
var notAPools = map[string]string{
	"ProviderID": "a pool has providerIDList",
	"Accounts":   "a pool is in one account",
	"Shapes":     "a pool has one shape",
	"OnStop":     "an instance that a pool's owner stopped is the pool's: OCI's actions on pools stop and start all of them",
}

// onlyAPools are the fields of a pool's spec that its machines do not have, and what they are for.
var onlyAPools = map[string]string{
	"ProviderIDList": "it says what was launched",
	"Account":        "the pool itself",
	"FaultDomains":   "the pool itself",
}

func TestAPoolHasEveryFieldOfAMachineOrIsKnownNotTo(t *testing.T) {
	g := NewWithT(t)
	machine, pool := reflect.TypeFor[infrav1.OCIMeshMachineSpec](), reflect.TypeFor[expv1.OCIMeshMachinePoolSpec]()
	for field := range machine.Fields() {
		same, there := pool.FieldByName(field.Name)
		if why := notAPools[field.Name]; why != "" {
			g.Expect(there).To(BeFalse(), "%s is in both: take it off the list", field.Name)
			continue
		}
		g.Expect(there).To(BeTrue(), "a pool has no %s: add it, or say why not", field.Name)
		g.Expect(same.Type).To(Equal(field.Type), field.Name)
		g.Expect(same.Tag).To(Equal(field.Tag), field.Name)
	}
}

func TestEveryFieldOfAPoolReachesItsMachines(t *testing.T) {
	g := NewWithT(t)
	yes := true
	full := expv1.OCIMeshMachinePoolSpec{
		Shape: infrav1.Shape{Name: "VM.Standard.A1.Flex"}, Image: infrav1.Image{ID: "i"}, BootVolume: infrav1.BootVolume{SizeGB: 50},
		DataVolumes: []infrav1.DataVolume{{Name: "data"}}, Bootstrap: infrav1.BootstrapPreinstalled,
		Tailscale: infrav1.Tailscale{Version: "1.2.3"}, SSHAuthorizedKeys: []string{"key"}, Preemptible: &yes,
		Tags: map[string]string{"team": "red"},
	}
	whole := machineSpecOf(full)
	for field := range reflect.TypeFor[expv1.OCIMeshMachinePoolSpec]().Fields() {
		if why := onlyAPools[field.Name]; why != "" {
			continue
		}
		without := full
		value := reflect.ValueOf(&without).Elem().FieldByIndex(field.Index)
		g.Expect(value.IsZero()).To(BeFalse(), "set %s above, or say in onlyAPools what it is for", field.Name)
		value.SetZero()
		g.Expect(machineSpecOf(without)).NotTo(Equal(whole), "%s does not reach the pool's machines", field.Name)
	}
}

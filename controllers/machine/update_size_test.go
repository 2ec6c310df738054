// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

// setMemory bounds the memory of machines in the first account.
func (b *bench) setMemory(t *testing.T, gb int32) {
	t.Helper()
	helpers.Update(t, b.Environment, b.Accounts[0], func(account *infrav1.OCIAccount) {
		account.Spec.Budget = infrav1.AccountBudget{Families: []infrav1.FamilyBudget{{Family: armFamily, MemoryGB: ptr.To(gb)}}}
	})
}

func memory(gb int32) func(*infrav1.OCIMeshMachineSpec) {
	return func(s *infrav1.OCIMeshMachineSpec) { s.Shapes[0].MemoryGB = gb }
}

func TestASizeIsGrantedBeforeOCIIsAskedAndUntilItIsGivenUp(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	own := b.machine(t, "machine", aMachine)
	b.untilProvisioned(t, own)
	six := infrav1.MachineSizeStatus{OCPUs: 1, MemoryGB: 6, BootVolumeGB: 50}
	g.Expect(own.Status.Size).To(Equal(six))
	b.setMemory(t, 12)
	unavailable := sim.Fault{Operation: "UpdateInstance", Status: 503, Code: "ServiceUnavailable", Times: -1}
	b.OCI.AddFault(unavailable)

	b.updates(t, own, memory(12))
	b.untilCondition(t, own, "Updated False Unavailable")
	g.Expect(own.Status.Size.MemoryGB).To(BeEquivalentTo(12))
	late := b.machine(t, "late", sized(1, 6))
	b.untilCondition(t, late, "Ready False BudgetExceeded")

	// OCI says no: others may have it until the next try.
	b.OCI.ClearFaults()
	b.OCI.AddFault(sim.Fault{Operation: "UpdateInstance", Status: 400, Code: "InvalidParameter", Message: "not so", Times: -1})
	b.untilCondition(t, own, "Updated False RequestRefused")
	b.until(t, own, func(g Gomega) { g.Expect(own.Status.Size).To(Equal(six)) })
	b.OCI.ClearFaults()
	b.untilProvisioned(t, late)

	b.updates(t, own, memory(6))
	b.untilUpdated(t, own)
	g.Expect(own.Status.Size).To(Equal(six))
}

func TestASizeIsAsTheInstancesWhereTheRecordIsLost(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	own := b.machine(t, "machine", aMachine)
	b.untilProvisioned(t, own)
	b.setMemory(t, 6)
	b.updates(t, own, func(s *infrav1.OCIMeshMachineSpec) { s.Shapes[0].MemoryGB, s.BootVolume.SizeGB = 12, 60 })
	b.untilCondition(t, own, "Updated False BudgetExceeded")

	b.losesStatus(t, own)

	b.untilCondition(t, own, "Updated False BudgetExceeded")
	g.Expect(own.Status.Size).To(Equal(infrav1.MachineSizeStatus{OCPUs: 1, MemoryGB: 6, BootVolumeGB: 50}))
}

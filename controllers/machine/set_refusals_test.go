// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

func deployed(by string) func(*clusterv1.Machine, *infrav1.OCIMeshMachine) {
	return func(machine *clusterv1.Machine, _ *infrav1.OCIMeshMachine) {
		machine.Labels[clusterv1.MachineDeploymentNameLabel] = by
	}
}

// refuseLaunches has the first account refuse all launches, and returns how many it was asked for.
func (b *bench) refuseLaunches(as string) (asked func() int) {
	first, answer := b.Tenancies[0].Name, answers[as]
	answer.Tenancy, answer.Operation, answer.Times = first, "LaunchInstance", -1
	b.OCI.AddFault(answer)
	return func() int { return b.OCI.CallCounts(first)["LaunchInstance"] }
}

func TestAMachineSetAsksARefusingAccountOnce(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{Accounts: 2})
	asked := b.refuseLaunches("mandatory-tag")
	for i := range 3 {
		own := b.machine(t, fmt.Sprintf("worker-%d", i), deployed("workers"))
		b.untilProvisioned(t, own)
		g.Expect(own.Status.Placement.Account).To(Equal(b.Accounts[1].Name))
	}
	g.Expect(asked()).To(Equal(1), "the other machines of the set are spared the answer")

	// Others are not kept from the account.
	for i, change := range []func(*clusterv1.Machine, *infrav1.OCIMeshMachine){
		deployed("other-workers"),
		func(machine *clusterv1.Machine, own *infrav1.OCIMeshMachine) {
			deployed("workers")(machine, own)
			own.Spec.BootVolume.SizeGB = 60
		},
		func(*clusterv1.Machine, *infrav1.OCIMeshMachine) {},
	} {
		b.untilProvisioned(t, b.machine(t, fmt.Sprintf("other-%d", i), change))
		g.Expect(asked()).To(Equal(2 + i))
	}

	// Another spec of the account is asked at once.
	b.OCI.ClearFaults()
	helpers.Update(t, env, b.Accounts[0], func(a *infrav1.OCIAccount) { a.Spec.Budget.VolumeGB = ptr.To[int32](9000) })
	own := b.machine(t, "healed", deployed("workers"))
	b.untilProvisioned(t, own)
	g.Expect(own.Status.Placement.Account).To(Equal(b.Accounts[0].Name))
}

func TestAMachinePlacedBeforeItsSetWasRefusedLeavesThePlaceUnasked(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{Accounts: 2})
	asked := b.refuseLaunches("no-policy")
	one, other := b.machine(t, "one", deployed("workers")), b.machine(t, "other", deployed("workers"))
	b.untilPlaced(t, one)
	b.untilPlaced(t, other)
	g.Expect(one.Status.Placement.Account).To(Equal(b.Accounts[0].Name))

	b.untilProvisioned(t, one)
	b.untilProvisioned(t, other)

	g.Expect(other.Status.Placement.Account).To(Equal(b.Accounts[1].Name))
	g.Expect(asked()).To(Equal(1))
	g.Expect(b.instances(t)).To(HaveLen(2))
}

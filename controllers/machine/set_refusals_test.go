// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/capacity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

func deployed(by string) func(*clusterv1.Machine, *infrav1.OCIMeshMachine) {
	return func(machine *clusterv1.Machine, _ *infrav1.OCIMeshMachine) {
		machine.Labels[clusterv1.MachineDeploymentNameLabel] = by
	}
}

func TestAMachineSetAsksARefusingAccountOnce(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{Accounts: 2})
	first := b.Tenancies[0].Name
	answer := answers["mandatory-tag"]
	answer.Tenancy, answer.Operation, answer.Times = first, "LaunchInstance", -1
	b.OCI.AddFault(answer)
	asked := func() int { return b.OCI.CallCounts(first)["LaunchInstance"] }
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
	first := b.Tenancies[0].Name
	answer := answers["no-policy"]
	answer.Tenancy, answer.Operation, answer.Times = first, "LaunchInstance", -1
	b.OCI.AddFault(answer)
	one, other := b.machine(t, "one", deployed("workers")), b.machine(t, "other", deployed("workers"))
	b.untilPlaced(t, one)
	b.untilPlaced(t, other)
	g.Expect(one.Status.Placement.Account).To(Equal(b.Accounts[0].Name))

	b.untilProvisioned(t, one)
	b.untilProvisioned(t, other)

	g.Expect(other.Status.Placement.Account).To(Equal(b.Accounts[1].Name))
	g.Expect(b.OCI.CallCounts(first)["LaunchInstance"]).To(Equal(1))
	g.Expect(b.instances(t)).To(HaveLen(2))
}

func TestOneMachineOfASetTriesAPlaceAgain(t *testing.T) {
	g := NewWithT(t)
	var known setRefusals
	set, start := machineSet{namespace: "ns", owner: "MachineDeployment workers"}, time.Now()
	refusal := func(ad string) infrav1.Shortage {
		return infrav1.Shortage{
			Account: "alice", AvailabilityDomain: ad, Shape: "A1", Message: "no", Count: 1, Until: metav1.NewTime(start.Add(5 * time.Minute)),
		}
	}
	spec := int64(1)
	of := func(name string, after time.Duration) []infrav1.Shortage {
		return known.of(set, client.ObjectKey{Name: name}, start.Add(after), func(string) int64 { return spec })
	}
	known.forget(set, capacity.Place{Account: "alice"})
	g.Expect(of("a", 0)).To(BeEmpty(), "nobody was told anything")
	for range 10 {
		known.record(set, refusal("AD-1"), spec, start, capacity.Policy{})
	}
	known.record(set, refusal("AD-2"), spec, start, capacity.Policy{})

	g.Expect(of("a", time.Minute)).To(HaveLen(2))
	g.Expect(of("a", 5*time.Minute)).To(BeEmpty(), "the first to ask tries again")
	g.Expect(of("b", 6*time.Minute)).To(HaveLen(2), "and the others wait")
	g.Expect(of("b", 6*time.Minute)[0].Until.Time).To(Equal(start.Add(5*time.Minute + probeFor)))
	g.Expect(of("a", 6*time.Minute)).To(BeEmpty())
	g.Expect(of("b", 9*time.Minute)).To(BeEmpty(), "not for ever")

	known.record(set, refusal("AD-1"), spec, start.Add(9*time.Minute), capacity.Policy{})
	again := of("c", 10*time.Minute)
	g.Expect(again).To(HaveLen(2))
	g.Expect(again).To(ContainElement(HaveField("Count", BeEquivalentTo(2))), "ten at once were one")
	g.Expect(again).To(ContainElement(HaveField("Until.Time", start.Add(19*time.Minute))))

	known.forget(set, capacity.Place{Account: "alice", AvailabilityDomain: "AD-2", FaultDomain: "FD-1", Shape: "A1"})
	g.Expect(of("c", 10*time.Minute)).To(HaveLen(1))
	spec = 2
	g.Expect(of("c", 10*time.Minute)).To(BeEmpty(), "another spec of the account is asked at once")
	known.record(machineSet{namespace: "other"}, refusal("AD-1"), spec, start.Add(2*time.Hour), capacity.Policy{})
	g.Expect(known.sets).NotTo(HaveKey(set), "nothing stays for ever")
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

// inAccount keeps a machine to one of the bench's accounts.
func inAccount(b *bench, i int) func(*clusterv1.Machine, *infrav1.OCIMeshMachine) {
	return func(_ *clusterv1.Machine, own *infrav1.OCIMeshMachine) {
		own.Spec.Accounts.Names = []string{b.Accounts[i].Name}
	}
}

// expectOnly expects conditions of a machine after a pass, and all instances.
func (b *bench) expectOnly(t *testing.T, own *infrav1.OCIMeshMachine, instances int, want string) {
	t.Helper()
	g := NewWithT(t)
	b.pass(t, own)
	b.Reload(t, own)
	g.Expect(helpers.ConditionsOf(own)).To(ContainElement(want), "conditions: %v", own.Status.Conditions)
	g.Expect(b.instances(t)).To(HaveLen(instances))
	g.Expect(b.calls("TerminateInstance")).To(BeZero())
}

func TestTenMinutesOfThrottlingOfOneAccount(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	limits := oci.Unlimited()
	b := newBench(t, helpers.WorldOptions{Accounts: 2, Limits: &limits})
	throttled := b.machine(t, "throttled", inAccount(b, 0))
	b.untilProvisioned(t, throttled)
	name := b.Tenancies[0].Name
	b.OCI.AddFault(sim.Fault{Tenancy: name, Status: 429, Code: "TooManyRequests", Times: -1})
	b.OCI.ResetCalls()

	for range 60 {
		b.sleep(10 * time.Second)
		b.pass(t, throttled)
	}

	b.expectOnly(t, throttled, 1, "InstanceReady Unknown Throttled")
	g.Expect(b.OCI.CallCounts(name)["ListInstances"]).To(BeNumerically("<", 20), "it is asked a minute apart")
	other := b.machine(t, "other", inAccount(b, 1))
	b.untilProvisioned(t, other)

	b.OCI.ClearFaults()
	b.sleep(time.Minute)
	b.untilProvisioned(t, throttled)
	b.delete(t, throttled)
	b.delete(t, other)
	b.expectNothingLeft(t)
}

func TestATenancyThatAnswersNothingUsefulLosesNoMachine(t *testing.T) {
	t.Parallel()
	for name, world := range map[string]struct {
		begins, ends func(*bench)
		// everywhere is set if no account answers.
		everywhere bool
		want       string
	}{
		"404 to everything": {
			func(b *bench) {
				b.OCI.AddFault(sim.Fault{Tenancy: b.Tenancies[0].Name, Status: 404, Code: "NotAuthorizedOrNotFound", Times: -1})
			},
			func(b *bench) { b.OCI.ClearFaults() },
			false, "Ready Unknown NotAuthorizedOrNotFound",
		},
		"clocks that differ, so that signatures are not valid": {
			func(b *bench) { b.OCI.SetSkew(time.Hour) },
			func(b *bench) { b.OCI.SetSkew(0) },
			true, "Ready Unknown AuthenticationFailed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, helpers.WorldOptions{Accounts: 2})
			first, second := b.machine(t, "first", inAccount(b, 0)), b.machine(t, "second", inAccount(b, 1))
			b.untilProvisioned(t, first)
			b.untilProvisioned(t, second)

			world.begins(b)
			for range 5 {
				b.expectOnly(t, first, 2, world.want)
			}
			if !world.everywhere {
				b.expectOnly(t, second, 2, "Ready True Ready")
			}

			world.ends(b)
			b.untilProvisioned(t, first)
			b.untilProvisioned(t, second)
			b.delete(t, first)
			b.delete(t, second)
			b.expectNothingLeft(t)
		})
	}
}

func TestAPollThatFailsHalfWayTakesNothingAway(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	var all []*infrav1.OCIMeshMachine
	for i := range 5 {
		all = append(all, b.machine(t, fmt.Sprintf("worker-%d", i)))
		b.untilProvisioned(t, all[i])
	}
	b.OCI.ResetCalls()
	for range 3 {
		// A page of two is answered, the next one is not.
		b.OCI.AddFault(sim.Fault{Operation: "ListInstances", Skip: 1, Status: 503, Code: "ServiceUnavailable"})
		g.Expect(b.poll(t.Context())).To(Succeed())
		for _, own := range all {
			_, err := b.r.Reconcile(t.Context(), requestOf(own))
			g.Expect(err).NotTo(HaveOccurred())
			b.Reload(t, own)
			g.Expect(helpers.ConditionsOf(own)).To(ContainElement("Ready True Ready"))
		}
	}
	g.Expect(b.OCI.CallCounts("")).To(Equal(map[string]int{"ListInstances": 6}), "nobody had to be asked for")
	for _, own := range all {
		b.delete(t, own)
	}
	b.expectNothingLeft(t)
}

func TestInstancesOfOthersAreNotTouched(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own := b.machine(t, "worker")
	b.untilProvisioned(t, own)
	c, err := b.Clients.OCI(t.Context(), b.Accounts[0])
	g.Expect(err).NotTo(HaveOccurred())
	for name, tags := range map[string]map[string]string{
		"nobodys":           nil,
		"another-managers":  {infrav1.MachineUIDTag: "another", infrav1.MachineNameTag: b.Namespace + "/worker"},
		"tagged-by-a-human": {infrav1.MachineNameTag: b.Namespace + "/worker"},
	} {
		at := own.Status.Placement
		_, err := c.LaunchInstance(t.Context(), oci.LaunchSpec{
			DisplayName: name, AvailabilityDomain: at.AvailabilityDomain, Shape: at.Shape, OCPUs: 1, MemoryGB: 6, ImageID: at.ImageID,
			SubnetID: b.infra.Status.Accounts[0].SubnetID, Tags: tags,
		})
		g.Expect(err).NotTo(HaveOccurred())
	}
	b.untilProvisioned(t, own)
	b.delete(t, own)
	again := b.machine(t, "worker-2")
	b.untilProvisioned(t, again)
	b.delete(t, again)

	g.Expect(b.instances(t)).To(HaveLen(3))
	g.Expect(b.calls("TerminateInstance")).To(Equal(2))
}

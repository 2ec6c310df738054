// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

// outsideChange is something done to a machine by others than the provider, with the condition.
type outsideChange struct {
	happens func(*testing.T, *bench, *infrav1.OCIMeshMachine) error
	want    string
	// heals is nil for what is for good.
	heals func(*testing.T, *bench, *infrav1.OCIMeshMachine) error
}

// outsideChanges are of provisioned machines.
var outsideChanges = map[string]outsideChange{
	"the instance is terminated": {
		func(_ *testing.T, b *bench, own *infrav1.OCIMeshMachine) error {
			return b.OCI.TerminateInstance(own.Status.Instance.ID)
		},
		"Ready False InstanceTerminated", nil,
	},
	"the instance is stopped": {
		func(_ *testing.T, b *bench, own *infrav1.OCIMeshMachine) error {
			return b.OCI.StopInstance(own.Status.Instance.ID)
		},
		"Ready False InstanceStopped", func(*testing.T, *bench, *infrav1.OCIMeshMachine) error { return nil },
	},
	"the device goes offline": {
		func(_ *testing.T, b *bench, own *infrav1.OCIMeshMachine) error {
			return b.Control.SetOnline(own.Status.Tailnet.DeviceID, false)
		},
		"Ready False DeviceOffline",
		func(_ *testing.T, b *bench, own *infrav1.OCIMeshMachine) error {
			return b.Control.SetOnline(own.Status.Tailnet.DeviceID, true)
		},
	},
	"the account refuses everything": {
		func(_ *testing.T, b *bench, _ *infrav1.OCIMeshMachine) error {
			b.OCI.AddFault(sim.Fault{Status: 404, Code: "NotAuthorizedOrNotFound", Times: -1})
			return nil
		},
		"Ready Unknown NotAuthorizedOrNotFound",
		func(_ *testing.T, b *bench, _ *infrav1.OCIMeshMachine) error { b.OCI.ClearFaults(); return nil },
	},
	"the OCIAccount is removed": {
		func(t *testing.T, b *bench, _ *infrav1.OCIMeshMachine) error {
			return b.Client.Delete(t.Context(), b.Accounts[0].DeepCopy())
		},
		"Ready Unknown AccountNotFound",
		func(t *testing.T, b *bench, _ *infrav1.OCIMeshMachine) error {
			b.Accounts[0].ResourceVersion, b.Accounts[0].UID = "", ""
			return b.Client.Create(t.Context(), b.Accounts[0])
		},
	},
	"the tailnet cannot be reached": {
		func(_ *testing.T, b *bench, _ *infrav1.OCIMeshMachine) error {
			b.Control.SetUnreachable(true)
			return nil
		},
		"Ready Unknown Unavailable",
		func(_ *testing.T, b *bench, _ *infrav1.OCIMeshMachine) error {
			b.Control.SetUnreachable(false)
			return nil
		},
	},
}

func TestWhatHappensBehindTheProvidersBackIsSeen(t *testing.T) {
	t.Parallel()
	for name, world := range outsideChanges {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{})
			own := b.machine(t, "machine")
			b.untilProvisioned(t, own)

			g.Expect(world.happens(t, b, own)).To(Succeed())
			b.untilCondition(t, own, world.want)
			g.Expect(own.Status.Initialization.Provisioned).To(HaveValue(BeTrue()), "it is never taken back")
			g.Expect(own.Status.Addresses).NotTo(BeEmpty())
			g.Expect(b.calls("LaunchInstance")).To(Equal(1))

			if world.heals != nil {
				g.Expect(world.heals(t, b, own)).To(Succeed())
				b.untilProvisioned(t, own)
			}
			b.delete(t, own)
			b.expectNothingLeft(t)
		})
	}
}

func TestALaunchWhoseFailureMayNotBeReadIsToldAsThat(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	b.OCI.AddFault(sim.Fault{Operation: "ListWorkRequests", Status: 404, Code: "NotAuthorizedOrNotFound", Times: -1})
	b.OCI.AddFault(sim.Fault{Operation: "LaunchInstance", WorkRequestFails: true, Code: "InternalError", Message: "Out of host capacity."})
	own := b.machine(t, "machine")

	b.untilCondition(t, own, "Ready False InstanceTerminated")
	g.Expect(helpers.MessageOf(own, infrav1.InstanceReadyCondition)).To(ContainSubstring(`the account's policy lacks "inspect work-requests"`))
	b.delete(t, own)
	b.expectNothingLeft(t)
}

func TestAnAddressThatIsRefusedKeepsNoOtherFromBeingFound(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	b.OCI.AddFault(sim.Fault{Operation: "GetVnic", Status: 503, Code: "ServiceUnavailable", Times: -1})
	cache := b.pollers.Cache(b.Accounts[0])
	var ids []string
	for _, name := range []string{"one", "two", "three"} {
		own := b.machine(t, name)
		b.until(t, own, func(g Gomega) {
			seen, _ := cache.Instance(own.Status.Instance.ID)
			g.Expect(seen.State).To(Equal(oci.StateRunning))
		})
		ids = append(ids, own.Status.Instance.ID)
	}

	b.OCI.ClearFaults()
	b.OCI.AddFault(sim.Fault{Operation: "GetVnic", Status: 404, Code: "NotAuthorizedOrNotFound"})
	g.Expect(b.poll(t.Context())).To(Succeed())

	found, refused := 0, 0
	for _, id := range ids {
		switch _, addressed, err := cache.Addresses(id); {
		case addressed:
			found++
		case cloud.IsKind(err, cloud.NotFoundOrUnauthorized):
			refused++
		}
	}
	g.Expect(found).To(Equal(2))
	g.Expect(refused).To(Equal(1))
}

func laggingLists() *sim.Delays {
	delays := helpers.FastDelays()
	delays.ListLag = 500 * time.Millisecond
	return delays
}

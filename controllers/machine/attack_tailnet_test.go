// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

// The attackers are those of SECURITY.md: a user of one namespace (T1), root on one node of one
// cluster of the tailnet (T2), and a device in the tailnet that is not ours (T4).

// recorded is a person's right to do what he likes with a device or a key.
func recorded(id string) ownership.Proof { return ownership.Recorded(id) }

func (b *bench) enabled(id string) []netip.Prefix {
	device, _ := b.Device(id)
	return device.Enabled
}

// settle makes so many passes.
func (b *bench) settle(t *testing.T, own *infrav1.OCIMeshMachine, passes int) {
	t.Helper()
	for range passes {
		b.pass(t, own)
	}
	b.Reload(t, own)
}

// launchedAsleep is a machine whose instance runs and has not joined yet.
func (b *bench) launchedAsleep(t *testing.T) *infrav1.OCIMeshMachine {
	t.Helper()
	b.booter.setAsleep(true)
	own := b.machine(t, "victim")
	b.until(t, own, func(g Gomega) { g.Expect(own.Status.Instance.State).To(Equal("RUNNING")) })
	return own
}

// wake has the machine join.
func (b *bench) wake(t *testing.T, own *infrav1.OCIMeshMachine) {
	t.Helper()
	b.booter.setAsleep(false)
	b.booter.Boot(t.Context(), b.instanceOf(t, own.Status.Instance.ID))
}

func TestT2AYoungerDeviceOfTheNameTakesNothing(t *testing.T) {
	t.Parallel()
	for _, mode := range []tailnetsim.Mode{tailnetsim.Tailscale, tailnetsim.Headscale} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{TailnetMode: mode})
			own := b.machine(t, "victim", controlPlane)
			b.untilProvisioned(t, own)
			before := own.Status.Tailnet
			intruder := b.Intruder(t, before.Hostname, helpers.ControlPlaneTag)
			g.Expect(b.Control.Advertise(intruder.ID, prefixes(vip+"/32")...)).To(Succeed())
			g.Expect(b.Control.SetOnline(before.DeviceID, false)).To(Succeed())

			b.settle(t, own, 20)

			g.Expect(own.Status.Tailnet).To(Equal(before))
			g.Expect(b.enabled(intruder.ID)).To(BeEmpty())
			g.Expect(b.enabled(before.DeviceID)).To(ConsistOf(prefixes(vip + "/32")))
			g.Expect(helpers.MessageOf(own, infrav1.TailnetReadyCondition)).To(ContainSubstring(intruder.Name))

			b.delete(t, own)
			_, left := b.Device(intruder.ID)
			g.Expect(left).To(BeTrue(), "nothing proves that it was the machine's")
			_, left = b.Device(before.DeviceID)
			g.Expect(left).To(BeFalse())
		})
	}
}

func TestT2ADeviceThatComesBeforeTheMachineIsNotTakenForIt(t *testing.T) {
	t.Parallel()
	for _, mode := range []tailnetsim.Mode{tailnetsim.Tailscale, tailnetsim.Headscale} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{TailnetMode: mode})
			own := b.launchedAsleep(t)
			intruder := b.Intruder(t, own.Status.Tailnet.Hostname, helpers.NodeTag)

			b.settle(t, own, 20)
			g.Expect(own.Status.Tailnet.DeviceID).To(BeEmpty())
			g.Expect(own.Spec.ProviderID).To(BeEmpty())
			g.Expect(helpers.ConditionsOf(own)).To(ContainElement("TailnetReady False Joining"))
			g.Expect(helpers.MessageOf(own, infrav1.TailnetReadyCondition)).To(ContainSubstring(intruder.Name))

			b.wake(t, own)
			b.untilCondition(t, own, "TailnetReady False DeviceAmbiguous")
			b.settle(t, own, 20)
			g.Expect(own.Status.Tailnet.DeviceID).To(BeEmpty(), "nobody can tell which")
			for _, device := range b.Control.Devices() {
				g.Expect(device.Enabled).To(BeEmpty())
				g.Expect(helpers.MessageOf(own, infrav1.TailnetReadyCondition)).To(ContainSubstring(device.Name))
			}

			c, err := b.Clients.TailnetClient(t.Context(), b.Tailnet)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(c.DeleteDevice(t.Context(), recorded(intruder.ID))).To(Succeed())
			b.untilProvisioned(t, own)
			b.delete(t, own)
			b.expectNothingLeft(t)
		})
	}
}

func TestT2AnOlderNodeThatRenamesItselfIsNotTakenForTheMachine(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	node := b.Intruder(t, "another-node", helpers.NodeTag)
	own := b.launchedAsleep(t)
	g.Expect(b.Control.Change(node.ID, func(d *tailnetsim.Device) {
		d.Hostname, d.Created = own.Status.Tailnet.Hostname, d.Created.Add(-time.Minute)
	})).To(Succeed())

	b.settle(t, own, 20)
	g.Expect(own.Status.Tailnet.DeviceID).To(BeEmpty())
	b.wake(t, own)
	b.untilProvisioned(t, own)
	g.Expect(own.Status.Tailnet.DeviceID).NotTo(Equal(node.ID))
	b.delete(t, own)
	_, left := b.Device(node.ID)
	g.Expect(left).To(BeTrue())
}

func TestT2ADeviceThatReplacesALostOneIsNotTakenForIt(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own := b.machine(t, "victim", controlPlane)
	b.untilProvisioned(t, own)
	before := own.Status.Tailnet
	c, err := b.Clients.TailnetClient(t.Context(), b.Tailnet)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(c.DeleteDevice(t.Context(), recorded(before.DeviceID))).To(Succeed())
	b.untilCondition(t, own, "TailnetReady False DeviceLost")
	intruder := b.Intruder(t, before.Hostname, helpers.ControlPlaneTag)

	b.settle(t, own, 20)
	g.Expect(own.Status.Tailnet).To(Equal(before))
	g.Expect(b.enabled(intruder.ID)).To(BeEmpty())
	g.Expect(helpers.MessageOf(own, infrav1.TailnetReadyCondition)).To(ContainSubstring("Not taken for it, since anybody can use its name: " + intruder.Name))
	b.delete(t, own)
}

func TestT1CannotHaveDevicesOfATailnetDeletedByTheirNames(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	database := b.Intruder(t, "database-0badcafe", helpers.NodeTag)
	helpers.Update(t, b.Environment, b.Tailnet, func(tn *infrav1.Tailnet) { tn.Spec.AllowedNamespaces.List = []string{"somebody-else"} })
	forger := b.machine(t, "database")
	helpers.Update(t, b.Environment, forger, func(own *infrav1.OCIMeshMachine) {
		own.Finalizers = append(own.Finalizers, infrav1.OCIMeshMachineFinalizer)
		own.Annotations = map[string]string{infrav1.IdentityAnnotation: b.Namespace + "/database/0badcafe-0000-4000-8000-000000000000"}
	})

	b.delete(t, forger)

	_, left := b.Device(database.ID)
	g.Expect(left).To(BeTrue())
}

func TestT1CannotHaveKeysOfAnotherMachineRevoked(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own := b.launchedAsleep(t)
	forger := b.machine(t, "forger")
	helpers.Update(t, b.Environment, forger, func(forger *infrav1.OCIMeshMachine) {
		forger.Finalizers = append(forger.Finalizers, infrav1.OCIMeshMachineFinalizer)
		forger.Annotations = map[string]string{infrav1.IdentityAnnotation: fmt.Sprintf("%s/forger/%s", b.Namespace, own.UID)}
	})
	g.Expect(b.Client.Delete(t.Context(), forger)).To(Succeed())
	for range 20 {
		b.pass(t, forger)
	}

	g.Expect(b.Control.Leftovers().Keys).To(HaveLen(1), "the victim's")
}

func TestT1GetsNoDeviceThatIsAnotherMachinesOrMayBe(t *testing.T) {
	t.Parallel()
	const forged = "0badcafe-0000-4000-8000-000000000000"
	for name, world := range map[string]struct {
		// own and other are the annotation's identities; empty stands for the object's UID.
		own, other string
		of         infrav1.TailnetDeviceStatus
		want       bool
	}{
		"nobody else's":                         {"", "", infrav1.TailnetDeviceStatus{}, true},
		"another's by its record":               {"", "", infrav1.TailnetDeviceStatus{DeviceID: "d1", Hostname: "elsewise"}, false},
		"another's by its record, forged":       {"", forged, infrav1.TailnetDeviceStatus{DeviceID: "d1", Hostname: "worker"}, false},
		"another's of the name, in two minds":   {"", "", infrav1.TailnetDeviceStatus{Hostname: "worker"}, false},
		"a forger's, who waits for it":          {"", forged, infrav1.TailnetDeviceStatus{Hostname: "worker"}, true},
		"the victim's, who waits for it":        {forged, "", infrav1.TailnetDeviceStatus{Hostname: "worker"}, false},
		"after a move of both":                  {forged, forged, infrav1.TailnetDeviceStatus{Hostname: "worker"}, false},
		"another's of the name, with its own":   {"", "", infrav1.TailnetDeviceStatus{DeviceID: "d2", Hostname: "worker"}, true},
		"another tailnet's of the same counter": {"", "", infrav1.TailnetDeviceStatus{Name: "other", DeviceID: "d1", Hostname: "worker"}, true},
	} {
		// One after the other: all have the same name and device, on one API server.
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{})
			own, other := b.machine(t, "own"), b.machine(t, "other")
			for object, identity := range map[*infrav1.OCIMeshMachine]string{own: world.own, other: world.other} {
				if identity != "" {
					helpers.Update(t, b.Environment, object, func(m *infrav1.OCIMeshMachine) {
						m.Annotations = map[string]string{infrav1.IdentityAnnotation: fmt.Sprintf("%s/%s/%s", b.Namespace, m.Name, identity)}
					})
				}
			}
			other.Status.Tailnet = world.of
			other.Status.Conditions = []metav1.Condition{{
				Type: "Ready", Status: metav1.ConditionFalse, Reason: "Waiting", LastTransitionTime: metav1.Now(),
			}}
			g.Expect(b.Client.Status().Update(t.Context(), other)).To(Succeed())

			now := time.Now()
			claim := ownership.DeviceClaim{Hostname: "worker", Tags: []string{helpers.NodeTag}, Launched: now, JoinTimeout: time.Minute}
			device := tailnet.Device{
				ID: "d1", Name: "worker.ts.net", Hostname: "worker", Tags: claim.Tags, Created: now, Addresses: []netip.Addr{netip.MustParseAddr("100.64.0.9")},
			}
			of := tailnetnode.Claimant{Object: own, Tailnet: b.Tailnet.Name}
			found, err := b.r.Devices.Find(t.Context(), nil, tailnet.NewDeviceList(now, []tailnet.Device{device}), of, claim)

			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(!found.Proof.IsZero()).To(Equal(world.want))
			g.Expect(found.Device != nil).To(Equal(world.want))
			g.Expect(found.Finding == nil).To(Equal(world.want))
		})
	}
}

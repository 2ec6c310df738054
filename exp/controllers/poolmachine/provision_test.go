// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package poolmachine_test

import (
	"testing"

	. "github.com/onsi/gomega"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// Cluster API looks for the node by these addresses, and never takes back that a machine is there.
func TestAMachineIsHandedOverOnceItRunsAndHasJoined(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t)
	object := b.node(t)
	b.untilConditions(t, object, "False Joining", "True Ready", "False Joining")
	g.Expect(object.Status.Initialization.Provisioned).To(BeNil(), "it has yet to join")
	g.Expect(object.Status.Addresses).To(BeEmpty())

	device := b.join(object)
	b.until(t, object, func(g Gomega) { g.Expect(object.Status.Initialization.Provisioned).To(HaveValue(BeTrue())) })
	helpers.ExpectConditions(t, object, "Ready True Ready", "InstanceReady True Ready", "TailnetReady True Ready",
		"Deleting False NotDeleting", "Paused False NotPaused")
	addresses := []clusterv1.MachineAddress{
		{Type: clusterv1.MachineInternalIP, Address: device.IPv4.String()}, {Type: clusterv1.MachineInternalIP, Address: device.IPv6.String()},
		{Type: clusterv1.MachineHostName, Address: object.Name},
	}
	g.Expect(object.Status.Addresses).To(Equal(addresses))
	g.Expect(object.Status.FailureDomain).To(Equal(b.Accounts[0].Name + "-ad-1"))
	g.Expect(object.Status.Instance.PrivateIP).To(HavePrefix("10.0."), "its address in OCI is nobody else's business")

	g.Expect(b.OCI.StopInstance(b.instance)).To(Succeed())
	g.Expect(b.Control.SetOnline(device.ID, false)).To(Succeed())
	b.untilConditions(t, object, "False InstanceStopped", "False InstanceStopped", "False Waiting")
	g.Expect(object.Status.Initialization.Provisioned).To(HaveValue(BeTrue()))
	g.Expect(object.Status.Addresses).To(Equal(addresses))
}

// What polls know of addresses comes after what they know of instances.
func TestAMachineWaitsForItsAddress(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t)
	object := b.node(t)
	b.join(object)
	r := b.reconciler(t)
	for range 3 {
		b.reconcile(t, g, r, object)
	}
	g.Expect(object.Status.Tailnet.DeviceID).NotTo(BeEmpty())
	g.Expect(object.Status.Instance.PrivateIP).To(BeEmpty())
	g.Expect(object.Status.Initialization.Provisioned).To(BeNil())

	g.Expect(r.Pollers.Poll(t.Context(), b.Accounts[0].Name)).To(Succeed())
	b.reconcile(t, g, r, object)
	g.Expect(object.Status.Instance.PrivateIP).NotTo(BeEmpty())
	g.Expect(object.Status.Initialization.Provisioned).To(HaveValue(BeTrue()))
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"net/netip"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/identity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

var allIsWell = []string{
	"Ready True Ready", "Placed True Ready", "InstanceReady True Ready", "TailnetReady True Ready",
	"Deleting False NotDeleting", "Paused False NotPaused",
}

func TestAWorkerComesToBeAndLeavesNothing(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own := b.machine(t, "worker", func(_ *clusterv1.Machine, own *infrav1.OCIMeshMachine) {
		own.Spec.DataVolumes = []infrav1.DataVolume{{Name: "data", SizeGB: 50, MountPath: "/var/lib/data"}}
		own.Spec.Tags = map[string]string{"team": "red"}
	})

	b.untilProvisioned(t, own)

	helpers.ExpectConditions(t, own, allIsWell...)
	running := b.instances(t)
	g.Expect(running).To(HaveLen(1))
	g.Expect(own.Spec.ProviderID).To(Equal("oci://" + running[0].ID))
	g.Expect(own.Status.Initialization.Provisioned).To(HaveValue(BeTrue()))
	g.Expect(own.Status.FailureDomain).To(Equal(b.Accounts[0].Name + "-ad-1"))
	g.Expect(running[0].DisplayName).To(Equal(own.Status.Tailnet.Hostname))
	g.Expect(running[0].FreeformTags).To(Equal(map[string]string{
		infrav1.MachineUIDTag: string(own.UID), infrav1.MachineNameTag: b.Namespace + "/worker",
		infrav1.ClusterUIDTag: string(b.infra.UID), infrav1.ClusterNameTag: b.Namespace + "/blue", "team": "red",
	}))
	g.Expect(running[0].DataVolumes).To(HaveLen(1))
	g.Expect(running[0].DataVolumes[0].Device).To(Equal("/dev/oracleoci/oraclevdb"))
	g.Expect(own.Status.Addresses).To(Equal([]clusterv1.MachineAddress{
		{Type: clusterv1.MachineInternalIP, Address: own.Status.Tailnet.Addresses[0]},
		{Type: clusterv1.MachineInternalIP, Address: own.Status.Tailnet.Addresses[1]},
		{Type: clusterv1.MachineExternalIP, Address: running[0].PublicIP},
		{Type: clusterv1.MachineHostName, Address: own.Status.Tailnet.Hostname},
	}))
	g.Expect(netip.MustParseAddr(own.Status.Addresses[0].Address).Is4()).To(BeTrue())
	g.Expect(b.Control.Leftovers().Keys).To(BeEmpty(), "the key was used")
	g.Expect(own.Status.Tailnet.KeyID).To(BeEmpty())
	g.Expect(b.calls("LaunchInstance")).To(Equal(1))
	g.Expect(b.booter.failures).To(BeEmpty())

	b.delete(t, own)
	b.expectNothingLeft(t)
}

func TestHostnamesAreLabelsThatNobodyElseHas(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	const uid = "6f1b4a8e-0c5d-4a53-9f0a-0d8c5f6e7a11"
	for name, want := range map[string]string{
		"worker":                          "worker-6f1b4a8e",
		"blue.worker":                     "blue-worker-6f1b4a8e",
		strings.Repeat("a", 253):          strings.Repeat("a", 54) + "-6f1b4a8e",
		strings.Repeat("a", 53) + "-bcde": strings.Repeat("a", 53) + "-6f1b4a8e",
	} {
		g.Expect(identity.Hostname(name, uid)).To(Equal(want))
	}
}

func TestAPausedMachineIsLeftAlone(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own := b.machine(t, "worker")
	helpers.Update(t, b.Environment, own, func(own *infrav1.OCIMeshMachine) {
		own.Annotations = map[string]string{clusterv1.PausedAnnotation: ""}
	})
	b.untilCondition(t, own, "Paused True Paused")
	for range 3 {
		b.pass(t, own)
	}
	b.Reload(t, own)
	g.Expect(own.Status.Placement).To(BeZero())

	helpers.Update(t, b.Environment, own, func(own *infrav1.OCIMeshMachine) { delete(own.Annotations, clusterv1.PausedAnnotation) })
	b.untilProvisioned(t, own)
}

func TestTwoMachinesOfOneNameInTwoNamespacesDoNotMeet(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	first := b.machine(t, "worker")
	b.untilProvisioned(t, first)

	other := b.Environment.Namespace(t, nil)
	helpers.Update(t, b.Environment, b.Accounts[0], func(a *infrav1.OCIAccount) {
		a.Spec.AllowedNamespaces.List = append(a.Spec.AllowedNamespaces.List, other)
	})
	helpers.Update(t, b.Environment, b.Tailnet, func(tn *infrav1.Tailnet) {
		tn.Spec.AllowedNamespaces.List = append(tn.Spec.AllowedNamespaces.List, other)
	})
	home := b.Namespace
	b.Namespace = other
	b.cluster, b.infra = b.newCluster(t, "blue")
	second := b.machine(t, "worker")
	b.untilProvisioned(t, second)

	g.Expect(b.instances(t)).To(HaveLen(2))
	g.Expect(b.Control.Devices()).To(HaveLen(2))
	g.Expect(second.Status.Tailnet.Hostname).NotTo(Equal(first.Status.Tailnet.Hostname))
	b.delete(t, second)
	b.pass(t, first)
	b.Reload(t, first)
	helpers.ExpectConditions(t, first, allIsWell...)
	b.Namespace = home
	b.delete(t, first)
	b.expectNothingLeft(t)
}

func TestAMachineOfAnotherManagerIsLeftAlone(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	b.r.WatchFilterValue = "mine"
	own := b.machine(t, "theirs")

	// Such requests come of events of accounts and tailnets, which carry a label of their own.
	b.pass(t, own)

	b.Reload(t, own)
	g.Expect(own.Finalizers).To(BeEmpty())
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/helpers"
)

var allIsWell = []string{
	"Ready True Ready", "Placed True Ready", "InstanceReady True Ready", "TailnetReady True Ready",
	"Deleting False NotDeleting", "Paused False NotPaused",
}

func TestAWorkerComesToBeAndLeavesNothing(t *testing.T) {
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

func TestOnlyTheVIPOfAControlPlaneIsApproved(t *testing.T) {
	b := newBench(t, helpers.WorldOptions{})
	own := b.machine(t, "control-plane", controlPlane)

	b.untilProvisioned(t, own)

	// The device is recorded first, so that no other control plane takes the route from it.
	b.until(t, own, func(g Gomega) {
		devices := b.Control.Devices()
		g.Expect(devices).To(HaveLen(1))
		g.Expect(devices[0].Tags).To(ConsistOf(helpers.ControlPlaneTag))
		g.Expect(devices[0].Enabled).To(Equal([]netip.Prefix{netip.MustParsePrefix(vip + "/32")}), "it advertises another network as well")
	})

	b.delete(t, own)
	b.expectNothingLeft(t)
}

func TestTheVIPLeavesAControlPlaneBeforeItsInstanceEnds(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own := b.machine(t, "control-plane", controlPlane)
	b.untilProvisioned(t, own)

	g.Expect(b.Client.Delete(t.Context(), own)).To(Succeed())
	b.pass(t, own)

	devices := b.Control.Devices()
	g.Expect(devices).To(HaveLen(1))
	g.Expect(devices[0].Enabled).To(BeEmpty())
	b.delete(t, own)
}

func TestHostnamesAreLabelsThatNobodyElseHas(t *testing.T) {
	g := NewWithT(t)
	const uid = "6f1b4a8e-0c5d-4a53-9f0a-0d8c5f6e7a11"
	for name, want := range map[string]string{
		"worker":                          "worker-6f1b4a8e",
		"blue.worker":                     "blue-worker-6f1b4a8e",
		strings.Repeat("a", 253):          strings.Repeat("a", 54) + "-6f1b4a8e",
		strings.Repeat("a", 53) + "-bcde": strings.Repeat("a", 53) + "-6f1b4a8e",
	} {
		g.Expect(hostnameOf(name, uid)).To(Equal(want))
	}
}

func TestThePlacementIsWrittenBeforeTheLaunch(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own := b.machine(t, "worker")

	for own.Status.Placement.Account == "" {
		b.pass(t, own)
		b.Reload(t, own)
		g.Expect(b.calls("LaunchInstance")).To(BeZero())
		g.Expect(b.Control.Keys()).To(BeEmpty())
	}
	g.Expect(own.Status.Placement.Attempt).To(BeEquivalentTo(1))
	g.Expect(own.Finalizers).To(ContainElement(infrav1.OCIMeshMachineFinalizer))
	b.pass(t, own)
	g.Expect(b.calls("LaunchInstance")).To(Equal(1))
}

func TestNothingIsDoneBeforeItsTime(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})

	waiting := b.machine(t, "waiting", func(machine *clusterv1.Machine, _ *infrav1.OCIMeshMachine) {
		machine.Spec.Bootstrap = clusterv1.Bootstrap{ConfigRef: clusterv1.ContractVersionedObjectReference{
			APIGroup: "bootstrap.cluster.x-k8s.io", Kind: "KubeadmConfig", Name: "waiting",
		}}
	})
	b.untilCondition(t, waiting, "Placed False WaitingForBootstrapData")
	helpers.ExpectConditions(t, waiting,
		"Ready False WaitingForBootstrapData", "Placed False WaitingForBootstrapData", "InstanceReady False Waiting",
		"TailnetReady False Waiting", "Deleting False NotDeleting", "Paused False NotPaused")

	orphan := helpers.NewOCIMeshMachine(&clusterv1.Machine{ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace, Name: "orphan"}})
	orphan.OwnerReferences = nil
	b.Create(t, orphan)
	b.pass(t, orphan)
	b.Reload(t, orphan)
	g.Expect(orphan.Finalizers).To(BeEmpty(), "the Machine controller comes first")

	b.cluster.Status.Initialization.InfrastructureProvisioned = nil
	g.Expect(b.Client.Status().Update(t.Context(), b.cluster)).To(Succeed())
	early := b.machine(t, "early")
	b.untilCondition(t, early, "Placed False WaitingForClusterInfrastructureReady")
	g.Expect(b.calls("LaunchInstance")).To(BeZero())
	g.Expect(b.calls("ListImages")).To(BeZero())
	for _, own := range []*infrav1.OCIMeshMachine{waiting, early} {
		b.delete(t, own)
	}
}

func TestAPausedMachineIsLeftAlone(t *testing.T) {
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

func TestTheKeyIsNowhereButInItsSecret(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	b.booter.setAsleep(true)
	own := b.machine(t, "worker")
	b.untilCondition(t, own, "TailnetReady False Joining")

	secrets := &corev1.SecretList{}
	g.Expect(b.Client.List(t.Context(), secrets, client.InNamespace(b.ManagerNamespace))).To(Succeed())
	g.Expect(secrets.Items).To(HaveLen(1))
	keys := b.Control.Leftovers().Keys
	g.Expect(keys).To(HaveLen(1))
	g.Expect(keys[0].Reusable).To(BeFalse())
	g.Expect(keys[0].Ephemeral).To(BeFalse())
	g.Expect(keys[0].Tags).To(ConsistOf(helpers.NodeTag))
	g.Expect(fmt.Sprintf("%+v", own.Status)).NotTo(ContainSubstring(string(secrets.Items[0].Data["authKey"])))

	b.delete(t, own)
	b.expectNothingLeft(t)
}

func TestAMachineOfAnotherManagerIsLeftAlone(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	b.r.WatchFilterValue = "mine"
	own := b.machine(t, "theirs")

	// Such requests come of events of accounts and tailnets, which carry a label of their own.
	b.pass(t, own)

	b.Reload(t, own)
	g.Expect(own.Finalizers).To(BeEmpty())
}

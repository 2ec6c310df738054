// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/exp/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/ocisim/sim"
)

func TestAPoolIsScaledFromZeroAndBackAndLeavesNothing(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 0)
	b.untilReady(t, 0)
	g.Expect(b.own.Status.Ready).To(HaveValue(BeTrue()))
	g.Expect(b.own.Status.Initialization.Provisioned).To(HaveValue(BeTrue()))
	g.Expect(b.own.Status.InfrastructureMachineKind).To(Equal("OCIMeshMachinePoolMachine"))
	g.Expect(b.own.Status.Capacity).To(And(
		HaveKeyWithValue(corev1.ResourceCPU, resource.MustParse("2")), HaveKeyWithValue(corev1.ResourceMemory, resource.MustParse("12Gi"))))
	g.Expect(b.own.Status.NodeInfo).To(Equal(infrav1.NodeInfo{Architecture: infrav1.ArchitectureArm64, OperatingSystem: "linux"}))
	b.until(t, func(g Gomega) { g.Expect(b.Control.Leftovers().Keys).To(BeEmpty(), "nobody is to join a pool at zero") })

	b.scaleTo(t, 3)
	b.untilReady(t, 3)
	helpers.ExpectConditions(t, b.own, "Ready True Ready", "ConfigurationReady True Ready", "PoolReady True Ready",
		"InstancesReady True Ready", "TailnetReady True Ready", "Deleting False NotDeleting", "Paused False NotPaused")
	domains := map[string]bool{}
	for _, machine := range b.machines(t) {
		helpers.ExpectConditions(t, &machine, "Ready True Ready", "InstanceReady True Ready", "TailnetReady True Ready",
			"Deleting False NotDeleting", "Paused False NotPaused")
		g.Expect(machine.Status.Initialization.Provisioned).To(HaveValue(BeTrue()))
		g.Expect(machine.Status.FailureDomain).To(Equal(b.Accounts[0].Name + "-ad-1"))
		g.Expect(machine.Status.Addresses[0].Type).To(Equal(clusterv1.MachineInternalIP))
		g.Expect(machine.Labels).To(HaveKeyWithValue(clusterv1.MachinePoolNameLabel, "workers"))
		g.Expect(b.own.Spec.ProviderIDList).To(ContainElement(machine.Spec.ProviderID))
		domains[machine.Status.FaultDomain] = true
	}
	g.Expect(domains).To(HaveLen(3), "spread over fault domains")

	b.scaleTo(t, 1)
	b.untilReady(t, 1)
	b.until(t, func(g Gomega) { g.Expect(b.left(t, "volume")).To(Equal(1), "data volumes go with their instances") })
	b.scaleTo(t, 0)
	b.untilReady(t, 0)
	b.until(t, func(g Gomega) { g.Expect(b.Control.Leftovers().Keys).To(BeEmpty()) })

	b.scaleTo(t, 2)
	b.untilReady(t, 2)
	b.delete(t)
	b.expectNothingLeft(t)
	g.Expect(b.calls("CreateInstancePool")).To(Equal(1))
}

func TestOneMachineIsDeletedByName(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 3)
	b.untilReady(t, 3)
	victim := b.machines(t)[1]

	// Its replacement is another one, as long as the MachinePool wants three.
	g.Expect(b.Client.Delete(t.Context(), &clusterv1.Machine{ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace, Name: victim.Name}})).To(Succeed())
	b.until(t, func(g Gomega) { g.Expect(names(b.machines(t))).NotTo(ContainElement(victim.Name)) })
	b.untilReady(t, 3)
	g.Expect(b.OCI.InstanceState(strings.TrimPrefix(victim.Spec.ProviderID, "oci://"))).To(Equal("TERMINATED"))

	// The one that is marked goes when the pool becomes smaller, and only it.
	marked := b.machines(t)[2]
	machine := &clusterv1.Machine{ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace, Name: marked.Name}}
	helpers.Update(t, b.Environment, machine, func(m *clusterv1.Machine) { m.Annotations = map[string]string{clusterv1.DeleteMachineAnnotation: ""} })
	others := names(b.machines(t))
	others = slices.DeleteFunc(others, func(name string) bool { return name == marked.Name })
	b.scaleTo(t, 2)
	b.untilReady(t, 2)
	g.Expect(names(b.machines(t))).To(ConsistOf(others))
	g.Expect(b.own.Status.Pool.Size).To(HaveValue(BeEquivalentTo(2)))
}

func names(machines []expv1.OCIMeshMachinePoolMachine) []string {
	var out []string
	for _, machine := range machines {
		out = append(out, machine.Name)
	}
	return out
}

func TestAnInstanceLostOutsideTakesItsMachineAlongAndIsReplaced(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 2)
	b.untilReady(t, 2)
	lost := b.machines(t)[0]

	g.Expect(b.OCI.TerminateInstance(strings.TrimPrefix(lost.Spec.ProviderID, "oci://"))).To(Succeed())

	b.until(t, func(g Gomega) { g.Expect(names(b.machines(t))).NotTo(ContainElement(lost.Name)) })
	b.untilReady(t, 2)
	g.Expect(b.own.Status.Pool.Size).To(HaveValue(BeEquivalentTo(2)))
}

func TestAPoolThatWasTerminatedOutsideIsMadeAnew(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 1)
	b.untilReady(t, 1)
	c, err := b.Clients.OCI(t.Context(), b.Accounts[0])
	g.Expect(err).NotTo(HaveOccurred())
	first := b.own.Status.Pool.ID

	g.Expect(c.TerminateInstancePool(t.Context(), ownership.Recorded(first))).To(Succeed())

	b.until(t, func(g Gomega) {
		g.Expect(b.own.Status.Pool.ID).NotTo(BeElementOf(first, ""))
	})
	b.untilReady(t, 1)
	b.delete(t)
	b.expectNothingLeft(t)
}

func TestAShortageIsToldAndPasses(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 3)
	g.Expect(b.OCI.SetCapacity(b.Tenancies[0].Name, sim.CapacityKey{Shape: "VM.Standard.A1.Flex"}, 1)).To(Succeed())
	b.until(t, func(g Gomega) {
		g.Expect(helpers.ConditionsOf(b.own)).To(ContainElement("PoolReady False NoCapacity"))
		g.Expect(b.own.Status.Ready).To(HaveValue(BeTrue()), "one has joined")
	})
	g.Expect(helpers.MessageOf(b.own, expv1.PoolReadyCondition)).To(ContainSubstring("1 of 3"))

	// Places that nobody has taken are given back without the end of the one that is there.
	kept := names(b.machines(t))
	b.scaleTo(t, 1)
	b.untilReady(t, 1)
	g.Expect(names(b.machines(t))).To(Equal(kept))

	g.Expect(b.OCI.SetCapacity(b.Tenancies[0].Name, sim.CapacityKey{Shape: "VM.Standard.A1.Flex"}, -1)).To(Succeed())
	b.scaleTo(t, 3)
	b.untilReady(t, 3)
	g.Expect(names(b.machines(t))).To(ContainElements(kept))
}

func TestTheKeyIsRotatedAheadOfItsEnd(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 1)
	b.untilReady(t, 1)
	first := b.own.Status.Configuration
	keys := b.Control.Keys()
	g.Expect(keys).To(HaveLen(1))
	g.Expect(keys[0].Reusable).To(BeTrue())
	g.Expect(keys[0].Ephemeral).To(BeFalse())
	g.Expect(keys[0].Preauthorized).To(BeTrue())
	g.Expect(keys[0].Tags).To(ConsistOf(helpers.NodeTag))
	kept := names(b.machines(t))

	b.sleep(11 * time.Hour)
	b.untilReady(t, 1)
	g.Expect(b.own.Status.Configuration).To(Equal(first), "not yet")
	b.sleep(2 * time.Hour)
	b.until(t, func(g Gomega) {
		g.Expect(b.own.Status.Configuration.KeyID).NotTo(Equal(first.KeyID))
		g.Expect(b.left(t, "instanceconfiguration")).To(Equal(1), "the old one is deleted")
		g.Expect(b.Control.Leftovers().Keys).To(HaveLen(1), "the old one is revoked")
		g.Expect(b.own.Status.Pool.State).To(Equal("RUNNING"))
	})
	g.Expect(names(b.machines(t))).To(Equal(kept), "no instance is replaced")

	b.scaleTo(t, 2)
	b.untilReady(t, 2)
	b.delete(t)
	b.expectNothingLeft(t)
}

func TestBootstrapDataAndSpecConcernInstancesToCome(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 1)
	b.untilReady(t, 1)
	first, kept := b.own.Status.Configuration, names(b.machines(t))
	made := b.calls("CreateInstanceConfiguration")
	for range 10 {
		g.Expect(b.pass(t.Context())).To(Succeed())
	}
	g.Expect(b.calls("CreateInstanceConfiguration")).To(Equal(made), "at rest no other configuration is made")

	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace, Name: "workers-bootstrap"}}
	helpers.Update(t, b.Environment, secret, func(s *corev1.Secret) { s.Data["value"] = []byte("#cloud-config\nruncmd:\n- kubeadm join --token b\n") })
	b.until(t, func(g Gomega) { g.Expect(b.own.Status.Configuration.Digest).NotTo(Equal(first.Digest)) })
	second := b.own.Status.Configuration
	g.Expect(second.KeyID).To(Equal(first.KeyID), "the key stays")
	helpers.Update(t, b.Environment, b.own, func(p *expv1.OCIMeshMachinePool) { p.Spec.Shape.OCPUs = 4 })
	b.until(t, func(g Gomega) {
		g.Expect(b.own.Status.Configuration.Digest).NotTo(Equal(second.Digest))
		g.Expect(b.left(t, "instanceconfiguration")).To(Equal(1))
		g.Expect(b.own.Status.Capacity).To(HaveKeyWithValue(corev1.ResourceCPU, resource.MustParse("4")))
	})
	b.untilReady(t, 1)
	g.Expect(names(b.machines(t))).To(Equal(kept))

	b.scaleTo(t, 2)
	b.untilReady(t, 2)
	var sizes []float64
	for _, machine := range b.instances(t) {
		sizes = append(sizes, machine.Ocpus)
	}
	g.Expect(sizes).To(ConsistOf(2.0, 4.0))
}

func TestReplicasThatSomethingElseManagesAreFollowed(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 1, func(p *clusterv1.MachinePool, _ *expv1.OCIMeshMachinePool) {
		p.Annotations = map[string]string{clusterv1.ReplicasManagedByAnnotation: "oci-autoscaling"}
	})
	b.until(t, func(g Gomega) { g.Expect(b.own.Status.Pool.ID).NotTo(BeEmpty()) })
	c, err := b.Clients.OCI(t.Context(), b.Accounts[0])
	g.Expect(err).NotTo(HaveOccurred())
	three := 3
	_, err = c.UpdateInstancePool(t.Context(), ownership.Recorded(b.own.Status.Pool.ID), oci.PoolChange{Size: &three})
	g.Expect(err).NotTo(HaveOccurred())

	b.untilReady(t, 3)

	b.Reload(t, b.machinePool)
	g.Expect(b.machinePool.Spec.Replicas).To(HaveValue(BeEquivalentTo(3)))
}

func TestStatusIsFoundAgainAfterItWasLost(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 2)
	b.untilReady(t, 2)
	before := b.own.DeepCopy()
	g.Expect(b.Client.Status().Patch(t.Context(), b.own, client.RawPatch(types.MergePatchType, []byte(`{"status":null}`)))).To(Succeed())

	b.restart()
	b.untilReady(t, 2)

	g.Expect(b.own.Status.Pool.ID).To(Equal(before.Status.Pool.ID))
	g.Expect(b.own.Status.Configuration).To(Equal(before.Status.Configuration))
	g.Expect(b.calls("CreateInstancePool")).To(Equal(1))
	g.Expect(b.calls("CreateInstanceConfiguration")).To(Equal(1))
}

// clusterctl move makes objects anew, without status and with other UIDs, and lets go of the old
// ones without their end.
func (b *bench) move(t *testing.T) {
	t.Helper()
	g := NewWithT(t)
	objects := []client.Object{b.own}
	for _, machine := range b.machines(t) {
		objects = append(objects, machine.DeepCopy())
	}
	var moved []client.Object
	for _, object := range objects {
		again := object.DeepCopyObject().(client.Object)
		again.SetUID("")
		again.SetResourceVersion("")
		moved = append(moved, again)
		object.SetFinalizers(nil)
		g.Expect(b.Client.Update(t.Context(), object)).To(Succeed())
		g.Expect(b.Client.Delete(t.Context(), object)).To(Succeed())
	}
	for _, object := range moved {
		b.Create(t, object)
	}
	b.restart()
	b.Reload(t, b.own)
	g.Expect(b.own.Status).To(BeZero())
}

func TestAMovedPoolKeepsItsInstances(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 2)
	b.untilReady(t, 2)
	before, kept := b.own.DeepCopy(), names(b.machines(t))
	b.move(t)
	g.Expect(b.own.UID).NotTo(Equal(before.UID))

	b.untilReady(t, 2)

	g.Expect(names(b.machines(t))).To(Equal(kept))
	g.Expect(b.own.Status.Pool.ID).To(Equal(before.Status.Pool.ID))
	g.Expect(b.own.Spec.ProviderIDList).To(Equal(before.Spec.ProviderIDList))
	for _, machine := range b.machines(t) {
		g.Expect(machine.Status.Account).To(Equal(b.Accounts[0].Name), "it is recorded again")
	}
	g.Expect(b.calls("CreateInstancePool")).To(Equal(1))
	b.delete(t)
	b.expectNothingLeft(t)
}

func TestAMovedPoolThatIsDeletedAtOnceLeavesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, 2)
	b.untilReady(t, 2)
	b.move(t)

	b.delete(t)

	b.expectNothingLeft(t)
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	controlplanev1 "sigs.k8s.io/cluster-api/api/controlplane/kubeadm/v1beta2"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/updates"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

// another is another control plane of the cluster, healthy as its KubeadmControlPlane says.
func (b *bench) another(t *testing.T) *clusterv1.Machine {
	t.Helper()
	machine := helpers.NewMachine(b.cluster, "other", helpers.ControlPlane)
	machine.Finalizers = []string{"test.ocimesh/stays"}
	b.Create(t, machine)
	t.Cleanup(func() { b.lets(context.Background(), machine) })
	machine.Status.NodeRef.Name = "other"
	b.says(t, machine, controlplanev1.KubeadmControlPlaneMachineEtcdMemberHealthyCondition, metav1.ConditionTrue, "Looked")
	return machine
}

// says writes a condition of a Machine, and what else is new in its status.
func (b *bench) says(t *testing.T, machine *clusterv1.Machine, condition string, status metav1.ConditionStatus, reason string) {
	t.Helper()
	conditions.Set(machine, metav1.Condition{Type: condition, Status: status, Reason: reason})
	NewWithT(t).Expect(b.Client.Status().Update(t.Context(), machine)).To(Succeed())
}

// lets has nothing hold the Machine any more.
func (b *bench) lets(ctx context.Context, machine *clusterv1.Machine) {
	_ = b.Client.Patch(ctx, machine, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`)))
}

// memberWorld is another control plane that is not to be relied on, and then is, or is gone.
type memberWorld struct {
	spoil, restore func(*testing.T, *bench, *clusterv1.Machine)
	want           string
}

func etcd(status metav1.ConditionStatus) func(*testing.T, *bench, *clusterv1.Machine) {
	return func(t *testing.T, b *bench, other *clusterv1.Machine) {
		t.Helper()
		b.says(t, other, controlplanev1.KubeadmControlPlaneMachineEtcdMemberHealthyCondition, status, "Looked")
	}
}

func nodeNamed(name string) func(*testing.T, *bench, *clusterv1.Machine) {
	return func(t *testing.T, b *bench, other *clusterv1.Machine) {
		t.Helper()
		other.Status.NodeRef.Name = name
		NewWithT(t).Expect(b.Client.Status().Update(t.Context(), other)).To(Succeed())
	}
}

// instanceIs has polls have shown the other one's instance in a state.
func instanceIs(state oci.LifecycleState) func(*testing.T, *bench, *clusterv1.Machine) {
	return func(t *testing.T, b *bench, other *clusterv1.Machine) {
		t.Helper()
		g := NewWithT(t)
		infra := helpers.NewOCIMeshMachine(other)
		err := b.Client.Get(t.Context(), client.ObjectKeyFromObject(infra), infra)
		if apierrors.IsNotFound(err) {
			err = b.Client.Create(t.Context(), infra)
		}
		g.Expect(err).NotTo(HaveOccurred())
		infra.Status.Instance = infrav1.InstanceStatus{ID: "ocid1.instance.oc1..other", State: string(state)}
		g.Expect(b.Client.Status().Update(t.Context(), infra)).To(Succeed())
	}
}

var memberWorlds = map[string]memberWorld{
	"another's etcd is not healthy": {etcd(metav1.ConditionFalse), etcd(metav1.ConditionTrue), "EtcdMemberHealthy of Machine other is not True"},
	"nobody knows another's etcd":   {etcd(metav1.ConditionUnknown), etcd(metav1.ConditionTrue), "EtcdMemberHealthy of Machine other is not True"},
	"another has no Node yet":       {nodeNamed(""), nodeNamed("other"), "Machine other has no Node yet"},
	"another is being deleted": {
		spoil: func(t *testing.T, b *bench, other *clusterv1.Machine) {
			t.Helper()
			NewWithT(t).Expect(b.Client.Delete(t.Context(), other)).To(Succeed())
		},
		restore: func(t *testing.T, b *bench, other *clusterv1.Machine) { t.Helper(); b.lets(t.Context(), other) },
		want:    "Machine other is being deleted",
	},
	"another's instance is down, which nobody else has seen yet": {
		instanceIs(oci.StateStopping), instanceIs(oci.StateRunning), "the instance of Machine other is STOPPING",
	},
	"another is being repaired": {
		spoil: func(t *testing.T, b *bench, other *clusterv1.Machine) {
			t.Helper()
			b.says(t, other, clusterv1.MachineExternallyRemediatedCondition, metav1.ConditionFalse, infrav1.RepairingReason)
		},
		restore: func(t *testing.T, b *bench, other *clusterv1.Machine) {
			t.Helper()
			conditions.Delete(other, clusterv1.MachineExternallyRemediatedCondition)
			NewWithT(t).Expect(b.Client.Status().Update(t.Context(), other)).To(Succeed())
		},
		want: "Machine other is being repaired",
	},
}

// A KubeadmControlPlane looks at the others' health when it triggers the update, up to hours before
// OCI has the capacity.
func TestAPutOffUpdateOfAControlPlaneWaitsForTheOthers(t *testing.T) {
	t.Parallel()
	for name, world := range memberWorlds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{})
			own := b.machine(t, "machine", controlPlane, aMachine)
			b.untilProvisioned(t, own)
			other := b.another(t)
			b.OCI.AddFault(sim.Fault{Operation: "UpdateInstance", Status: 500, Code: "InternalError", Message: "Out of host capacity.", Times: -1})
			b.updates(t, own, larger)
			b.untilCondition(t, own, "Updated False OutOfCapacity")
			b.OCI.ClearFaults()
			calls := b.calls("UpdateInstance")

			world.spoil(t, b, other)
			b.sleep(updates.FirstRetry)
			b.settle(t, own, 5)

			g.Expect(b.calls("UpdateInstance")).To(Equal(calls))
			g.Expect(b.booter.stopped()).To(BeZero())
			g.Expect(own.Status.Update.Step).To(BeEmpty())
			g.Expect(helpers.ConditionsOf(own)).To(ContainElement("Updated False Updating"))
			g.Expect(helpers.MessageOf(own, infrav1.UpdatedCondition)).To(ContainSubstring(world.want))
			g.Expect(b.Control.Devices()[0].Enabled).NotTo(BeEmpty(), "the machine runs on with the virtual address")

			world.restore(t, b, other)
			b.untilUpdated(t, own)
			g.Expect(b.instance(t, own.Status.Instance.ID).MemoryGB).To(BeEquivalentTo(12))
			g.Expect(b.booter.stopped()).To(Equal(1))
		})
	}
}

// Between the record and the call, volumes may grow for minutes, or no manager may run.
func TestARecordedUpdateOfAControlPlaneWaitsForTheOthersBeforeItsCall(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own, node := b.worker(t, "4", controlPlane, annotated(infrav1.DrainAnnotation, infrav1.DrainAlways))
	other := b.another(t)
	calls := b.calls("UpdateInstance")
	b.updates(t, own, larger)
	b.until(t, own, func(g Gomega) { g.Expect(own.Status.Update.Step).To(Equal(infrav1.UpdateResize)) })
	g.Expect(b.isCordoned(t, node)).To(BeTrue())

	etcd(metav1.ConditionFalse)(t, b, other)
	b.settle(t, own, 5)
	g.Expect(b.calls("UpdateInstance")).To(Equal(calls))
	g.Expect(own.Status.Update.Step).To(Equal(infrav1.UpdateResize), "OCI may have been asked for it: its token is kept")
	g.Expect(helpers.MessageOf(own, infrav1.UpdatedCondition)).To(ContainSubstring("EtcdMemberHealthy of Machine other is not True"))
	g.Expect(b.isCordoned(t, node)).To(BeFalse(), "the other one's pods may have to go there")

	etcd(metav1.ConditionTrue)(t, b, other)
	b.untilRestarted(t, own)
	g.Expect(b.isCordoned(t, node)).To(BeTrue())
	b.untilUpdated(t, own)
	g.Expect(b.isCordoned(t, node)).To(BeFalse())
	g.Expect(b.booter.stopped()).To(Equal(1))
}

func TestAnUpdateThatStopsNoMemberOfEtcdWaitsForNobody(t *testing.T) {
	t.Parallel()
	for name, world := range map[string]struct {
		as     func(*clusterv1.Machine, *infrav1.OCIMeshMachine)
		change func(*infrav1.OCIMeshMachineSpec)
	}{
		"a worker's": {asItIs, larger},
		"tags":       {controlPlane, func(s *infrav1.OCIMeshMachineSpec) { s.Tags = nil }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, helpers.WorldOptions{})
			own := b.machine(t, "machine", aMachine, world.as)
			b.untilProvisioned(t, own)
			etcd(metav1.ConditionFalse)(t, b, b.another(t))
			b.updates(t, own, world.change)
			b.untilUpdated(t, own)
		})
	}
}

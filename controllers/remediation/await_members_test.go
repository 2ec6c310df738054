// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package remediation

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/identity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// beside is a second unhealthy machine of the cluster, with its request.
func (b *bench) beside(t *testing.T, name string) *bench {
	t.Helper()
	g := NewWithT(t)
	cluster := &clusterv1.Cluster{}
	g.Expect(b.Client.Get(t.Context(), client.ObjectKey{Namespace: b.Namespace, Name: b.machine.Spec.ClusterName}, cluster)).To(Succeed())
	other := &bench{World: b.World, oci: b.oci, r: b.r, machine: helpers.NewMachine(cluster, name)}
	b.Create(t, other.machine)
	other.machine.Status.NodeRef = clusterv1.MachineNodeReference{Name: name}
	other.setHealth(t, metav1.ConditionFalse)
	other.infra = helpers.NewOCIMeshMachine(other.machine)
	b.Create(t, other.infra)
	other.infra.Status.Placement = b.infra.Status.Placement
	other.infra.Status.Instance.ID = other.launch(t, identity.OfMachine(other.infra).Tags())
	g.Expect(b.Client.Status().Update(t.Context(), other.infra)).To(Succeed())
	other.own = b.request(t, other.machine)
	return other
}

func TestControlPlanesAreResetOneAfterTheOther(t *testing.T) {
	t.Parallel()
	for name, controlPlanes := range map[string]bool{"control planes": true, "workers": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			first := newBench(t)
			second := first.beside(t, "second")
			for _, b := range []*bench{first, second} {
				if controlPlanes {
					b.isControlPlane(t)
				}
			}
			first.untilSent(t, infrav1.RemediationSoftReset)
			if !controlPlanes {
				second.untilSent(t, infrav1.RemediationSoftReset)
				return
			}
			second.until(t, "Remediated False Repairing")
			second.expectUntouched(t)
			g.Expect(helpers.MessageOf(second.own, infrav1.RemediatedCondition)).To(ContainSubstring("Waiting for control plane " + first.machine.Name))
			g.Expect(second.own.Status.Attempts).To(BeEmpty())

			// It had its time, and the other has its turn.
			first.timeOut(t)
			second.untilSent(t, infrav1.RemediationSoftReset)
			first.expectUntouched(t)
			g.Expect(helpers.MessageOf(first.own, infrav1.RemediatedCondition)).To(ContainSubstring("Waiting for control plane second"))

			// A stopped one runs no member of etcd, and is started whatever the others do.
			first.stop(t)
			first.untilSent(t, infrav1.RemediationStart)
		})
	}
}

// isControlPlane makes the machine a control plane.
func (b *bench) isControlPlane(t *testing.T) {
	t.Helper()
	helpers.ControlPlane(b.machine)
	NewWithT(t).Expect(b.Client.Update(t.Context(), b.machine)).To(Succeed())
}

// wasRepaired has the MachineHealthCheck have found the machine healthy long before the request.
func (b *bench) wasRepaired(t *testing.T) {
	t.Helper()
	conditions.Set(b.machine, metav1.Condition{
		Type: clusterv1.MachineHealthCheckSucceededCondition, Status: metav1.ConditionTrue, Reason: "Test",
		LastTransitionTime: metav1.NewTime(b.own.CreationTimestamp.Add(-time.Hour)),
	})
	NewWithT(t).Expect(b.Client.Status().Update(t.Context(), b.machine)).To(Succeed())
}

// People make requests while the MachineHealthCheck does not reach the cluster, and what it said
// last stays.
func TestARequestByHandCountsForTheOtherControlPlanes(t *testing.T) {
	t.Parallel()
	for name, both := range map[string]bool{"beside a MachineHealthCheck's": false, "beside another one by hand": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			byHand := newBench(t)
			second := byHand.beside(t, "second")
			byHand.isControlPlane(t)
			second.isControlPlane(t)
			byHand.wasRepaired(t)
			if both {
				second.wasRepaired(t)
			}

			byHand.untilSent(t, infrav1.RemediationSoftReset)
			second.expectUntouched(t)
			g.Expect(second.own.Status.Attempts).To(BeEmpty())
			g.Expect(helpers.MessageOf(second.own, infrav1.RemediatedCondition)).To(ContainSubstring("Waiting for control plane " + byHand.machine.Name))

			// It is well, and nobody waits for its time.
			byHand.setHealth(t, metav1.ConditionFalse)
			byHand.setHealth(t, metav1.ConditionTrue)
			second.untilSent(t, infrav1.RemediationSoftReset)
		})
	}
}

// Two requests of one second may both decide before either sees the other's try.
func TestTheTimeOfATryThatWaitsForAnotherControlPlaneDoesNotPass(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	first := newBench(t)
	second := first.beside(t, "second")
	first.isControlPlane(t)
	second.isControlPlane(t)
	first.untilSent(t, infrav1.RemediationSoftReset)
	second.own.Status.Attempts = []infrav1.RemediationAttempt{{Action: infrav1.RemediationSoftReset, DecidedAt: first.own.Status.Attempts[0].DecidedAt}}
	g.Expect(second.Client.Status().Update(t.Context(), second.own)).To(Succeed())

	second.until(t, "Remediated False Repairing")
	g.Expect(helpers.MessageOf(second.own, infrav1.RemediatedCondition)).To(ContainSubstring("Waiting for control plane " + first.machine.Name))
	g.Expect(second.own.Status.Attempts).To(BeEmpty())

	first.timeOut(t)
	second.untilSent(t, infrav1.RemediationSoftReset)
	g.Expect(second.own.Status.Attempts).To(HaveLen(1))
}

// A restart for an update in place looks at what the Machine says.
func TestTheMachineSaysThatItIsRepairedBeforeItIs(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t)
	g.Eventually(func() []infrav1.RemediationAttempt {
		b.pass(t)
		return b.own.Status.Attempts
	}, patience, tick).Should(HaveLen(1))
	g.Expect(b.own.Status.Attempts[0].SentAt.IsZero()).To(BeTrue())
	g.Expect(b.Client.Get(t.Context(), client.ObjectKeyFromObject(b.machine), b.machine)).To(Succeed())
	g.Expect(conditions.GetReason(b.machine, clusterv1.MachineExternallyRemediatedCondition)).To(Equal(infrav1.RepairingReason))
}

// neighbour is another control plane of the cluster, without a request.
type neighbour struct {
	status infrav1.OCIMeshMachineStatus
	change func(*clusterv1.Machine, *infrav1.OCIMeshMachine)
	// waits is set if it is waited for.
	waits bool
}

func (n neighbour) join(t *testing.T, b *bench) {
	t.Helper()
	g := NewWithT(t)
	cluster := &clusterv1.Cluster{}
	g.Expect(b.Client.Get(t.Context(), client.ObjectKey{Namespace: b.Namespace, Name: b.machine.Spec.ClusterName}, cluster)).To(Succeed())
	machine := helpers.NewMachine(cluster, "neighbour", helpers.ControlPlane)
	machine.Status.NodeRef.Name = "neighbour"
	infra := helpers.NewOCIMeshMachine(machine)
	if n.change != nil {
		n.change(machine, infra)
	}
	status := machine.Status
	b.Create(t, machine)
	machine.Status = status
	g.Expect(b.Client.Status().Update(t.Context(), machine)).To(Succeed())
	infra.OwnerReferences[0].UID = machine.UID
	b.Create(t, infra)
	infra.Status = n.status
	infra.Status.Instance.ID = "ocid1.instance.oc1..neighbour"
	g.Expect(b.Client.Status().Update(t.Context(), infra)).To(Succeed())
}

func inState(state oci.LifecycleState, update infrav1.UpdateStatus) infrav1.OCIMeshMachineStatus {
	return infrav1.OCIMeshMachineStatus{Instance: infrav1.InstanceStatus{State: string(state)}, Update: update}
}

func neighbours() map[string]neighbour {
	resize := infrav1.UpdateStatus{Step: infrav1.UpdateResize, Generation: 1, Attempt: 1}
	asked, settling := resize, infrav1.UpdateStatus{Generation: 1, Attempt: 1, NotBefore: metav1.NewTime(time.Now().Add(time.Hour))}
	asked.WorkRequestID = "ocid1.workrequest.oc1..work"
	refused, none := settling, infrav1.UpdateStatus{}
	refused.Refusal, refused.RefusalReason = "no room", infrav1.OutOfCapacityReason
	unstartable := inState(oci.StateStopped, none)
	unstartable.Stop = infrav1.StopStatus{SeenAt: metav1.Now(), Starts: 1, StartedAt: metav1.Now(), Refusal: "no room", RefusalReason: infrav1.OutOfCapacityReason}
	return map[string]neighbour{
		"that runs":                               {status: inState(oci.StateRunning, none)},
		"whose restart OCI has accepted":          {status: inState(oci.StateRunning, asked), waits: true},
		"that is down for its restart":            {status: inState(oci.StateStopping, resize), waits: true},
		"whose node settles after its restart":    {status: inState(oci.StateRunning, settling), waits: true},
		"whose restart waits, perhaps for this":   {status: inState(oci.StateRunning, resize)},
		"whose restart OCI has refused":           {status: inState(oci.StateRunning, refused)},
		"that was stopped and is started again":   {status: inState(oci.StateStopped, none), waits: true},
		"that starts":                             {status: inState(oci.StateStarting, none), waits: true},
		"that OCI does not start":                 {status: unstartable},
		"that ends":                               {status: inState(oci.StateTerminating, none)},
		"of which nothing is known":               {},
		"that is to stay stopped":                 {status: inState(oci.StateStopped, none), change: staysStopped},
		"that is to stay stopped, in its restart": {status: inState(oci.StateStopped, resize), change: staysStopped, waits: true},
		"that is preemptible and has stopped": {
			status: inState(oci.StateStopped, none), change: func(_ *clusterv1.Machine, infra *infrav1.OCIMeshMachine) { infra.Spec.Preemptible = ptr.To(true) },
		},
		"that comes, and has no member of etcd yet": {
			status: inState(oci.StateProvisioning, none), change: func(m *clusterv1.Machine, _ *infrav1.OCIMeshMachine) { m.Status.NodeRef.Name = "" },
		},
		"that is a worker": {
			status: inState(oci.StateStopped, none),
			change: func(m *clusterv1.Machine, _ *infrav1.OCIMeshMachine) {
				delete(m.Labels, clusterv1.MachineControlPlaneLabel)
			},
		},
	}
}

func staysStopped(_ *clusterv1.Machine, infra *infrav1.OCIMeshMachine) {
	infra.Spec.OnStop = infrav1.StopLeave
}

func TestAControlPlaneIsNotResetWhileAnotherOneIsOnItsWayBack(t *testing.T) {
	t.Parallel()
	for name, other := range neighbours() {
		t.Run("one "+name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t)
			b.isControlPlane(t)
			other.join(t, b)
			if other.waits {
				b.expectUntouched(t)
				g.Expect(b.own.Status.Attempts).To(BeEmpty())
				g.Expect(helpers.ConditionsOf(b.own)).To(ContainElement("Remediated False Repairing"))
				g.Expect(helpers.MessageOf(b.own, infrav1.RemediatedCondition)).To(ContainSubstring("Waiting for control plane neighbour"))
				// Whatever it is that keeps it, the wait has an end.
				b.ahead += (timeout30 + 2) * time.Second
				b.untilSent(t, infrav1.RemediationSoftReset)
				return
			}
			b.until(t, "Remediated False Repairing")
			g.Expect(helpers.MessageOf(b.own, infrav1.RemediatedCondition)).To(HavePrefix("SoftReset of the instance is next"))
		})
	}
}

// OCI is at it already.
func TestAResetThatWasSentIsNotSaidToWaitForAnother(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.isControlPlane(t)
	b.untilSent(t, infrav1.RemediationSoftReset)
	neighbours()["that starts"].join(t, b)
	b.expectUntouched(t)
	NewWithT(t).Expect(helpers.MessageOf(b.own, infrav1.RemediatedCondition)).To(ContainSubstring("SoftReset, try 1 of 1, was sent"))
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	controlplanev1 "sigs.k8s.io/cluster-api/api/controlplane/kubeadm/v1beta2"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// member is a control plane with a Node, of which nobody has said anything.
func member(name string, change ...func(*clusterv1.Machine)) clusterv1.Machine {
	machine := clusterv1.Machine{ObjectMeta: metav1.ObjectMeta{Name: name}}
	machine.Status.NodeRef.Name = name
	for _, f := range change {
		f(&machine)
	}
	return machine
}

func says(condition string, status metav1.ConditionStatus, reason string) func(*clusterv1.Machine) {
	return func(machine *clusterv1.Machine) {
		conditions.Set(machine, metav1.Condition{Type: condition, Status: status, Reason: reason})
	}
}

func saysAt(condition string, status metav1.ConditionStatus, later time.Duration) func(*clusterv1.Machine) {
	return func(machine *clusterv1.Machine) {
		conditions.Set(machine, metav1.Condition{
			Type: condition, Status: status, Reason: "Looked", LastTransitionTime: metav1.NewTime(time.Now().Add(later)),
		})
	}
}

func TestAControlPlaneIsMissedUntilItIsHealthyOrGone(t *testing.T) {
	const etcd, repair = controlplanev1.KubeadmControlPlaneMachineEtcdMemberHealthyCondition, clusterv1.MachineExternallyRemediatedCondition
	deleted := func(machine *clusterv1.Machine) { now := metav1.Now(); machine.DeletionTimestamp = &now }
	without := func(machine *clusterv1.Machine) { machine.Status.NodeRef.Name = "" }
	const notTrue, health = "EtcdMemberHealthy of Machine b", clusterv1.MachineHealthCheckSucceededCondition
	const repaired = "Machine b is being repaired, and its OCIMeshRemediation is there until it is healthy"
	for name, world := range map[string]struct {
		others            []clusterv1.Machine
		missed, unhealthy string
	}{
		"a single one":    {},
		"another owner's": {others: []clusterv1.Machine{member("b")}},
		"healthy":         {others: []clusterv1.Machine{member("b", says(etcd, metav1.ConditionTrue, "Looked"))}},
		"not healthy":     {[]clusterv1.Machine{member("b", says(etcd, metav1.ConditionFalse, "Looked"))}, notTrue + " is not True", notTrue},
		"nobody knows":    {[]clusterv1.Machine{member("b", says(etcd, metav1.ConditionUnknown, "Looked"))}, notTrue + " is not True", notTrue},
		"it goes":         {[]clusterv1.Machine{member("b", says(etcd, metav1.ConditionFalse, "Deleting"), deleted)}, "Machine b is being deleted", ""},
		"it comes":        {[]clusterv1.Machine{member("b", says(etcd, metav1.ConditionUnknown, "Looked"), without)}, "Machine b has no Node yet", ""},
		"it is repaired":  {[]clusterv1.Machine{member("b", says(repair, metav1.ConditionFalse, infrav1.RepairingReason))}, repaired, ""},
		"it was healthy before that": {[]clusterv1.Machine{member("b", saysAt(health, metav1.ConditionTrue, -time.Minute),
			says(repair, metav1.ConditionFalse, infrav1.RepairingReason))}, repaired, ""},
		"it is healthy since, and the request is still there": {others: []clusterv1.Machine{member("b",
			says(repair, metav1.ConditionFalse, infrav1.RepairingReason), saysAt(health, metav1.ConditionTrue, time.Minute))}},
		"its repair was given up":  {others: []clusterv1.Machine{member("b", says(repair, metav1.ConditionFalse, infrav1.HandedOverReason))}},
		"the second of the others": {[]clusterv1.Machine{member("b"), member("c", deleted)}, "Machine c is being deleted", ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			all := append([]clusterv1.Machine{member("a")}, world.others...)
			g.Expect(Missed(all, "a")).To(Equal(world.missed))
			g.Expect(FirstUnhealthy(all)).To(Equal(world.unhealthy))
			g.Expect(all).To(HaveLen(1+len(world.others)), "the caller's list stays as it is")

			// Its own health does not count.
			all[0] = member("a", says(etcd, metav1.ConditionFalse, "Looked"), deleted)
			g.Expect(Missed(all, "a")).To(Equal(world.missed))
		})
	}
}

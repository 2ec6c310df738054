// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

func TestTheSpreadOfControlPlanesIsTold(t *testing.T) {
	placed := func(accounts ...string) (out []infrav1.OCIMeshMachine) {
		for _, account := range accounts {
			machine := infrav1.OCIMeshMachine{Status: infrav1.OCIMeshMachineStatus{Placement: infrav1.Placement{Account: account}}}
			machine.Labels = map[string]string{clusterv1.MachineControlPlaneLabel: ""}
			out = append(out, machine)
		}
		return out
	}
	three, two := []string{"alice", "bob", "carol"}, []string{"alice", "bob"}
	for name, world := range map[string]struct {
		accounts []string
		endpoint infrav1.EndpointType
		desired  int32
		machines []infrav1.OCIMeshMachine
		status   metav1.ConditionStatus
		says     string
	}{
		"three over three":               {three, "", 3, placed(three...), metav1.ConditionTrue, ""},
		"five over three":                {three, "", 5, nil, metav1.ConditionTrue, ""},
		"none is made yet":               {three, "", 3, nil, metav1.ConditionTrue, ""},
		"the number is not known":        {three, "", 0, nil, "", ""},
		"two accounts":                   {two, "", 3, nil, metav1.ConditionFalse, "allow control planes in 3 accounts or more"},
		"one control plane":              {three, "", 1, nil, metav1.ConditionFalse, "three control planes in three accounts"},
		"an even number":                 {three, "", 4, nil, metav1.ConditionFalse, "an odd number"},
		"a load balancer":                {[]string{"alice"}, infrav1.EndpointLoadBalancer, 3, nil, metav1.ConditionFalse, "endpointType TailnetVIP"},
		"they are placed otherwise":      {three, "", 3, placed("alice", "alice", "bob"), metav1.ConditionFalse, "Account alice holds 2 of 3"},
		"a rollout has one more":         {three, "", 3, placed("alice", "alice", "bob", "carol"), metav1.ConditionTrue, ""},
		"they are counted without a KCP": {three, "", -1, placed("alice", "alice", "bob"), metav1.ConditionFalse, "Account alice holds 2 of 3"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			s := &scope{cluster: &clusterv1.Cluster{}, infra: &infrav1.OCIMeshCluster{}, machines: world.machines}
			s.infra.Spec.EndpointType = world.endpoint
			for _, account := range world.accounts {
				s.infra.Spec.Accounts = append(s.infra.Spec.Accounts, infrav1.ClusterAccount{Name: account})
			}
			s.infra.Spec.Accounts = append(s.infra.Spec.Accounts, infrav1.ClusterAccount{Name: "workers", ControlPlane: ptr.To(false)})
			if world.desired >= 0 {
				s.cluster.Status.ControlPlane = &clusterv1.ClusterControlPlaneStatus{DesiredReplicas: &world.desired}
			}

			s.tellOfSpread()

			condition := conditions.Get(s.infra, infrav1.ControlPlaneSpreadCondition)
			if world.status == "" {
				g.Expect(condition).To(BeNil())
				return
			}
			g.Expect(condition.Status).To(Equal(world.status))
			g.Expect(condition.Message).To(ContainSubstring(world.says))
		})
	}
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

const (
	goesFirst = "so that an old machine goes first: in its place in account alice the new one fits"
	noSurge   = "set maxSurge: 0 on KubeadmControlPlane blue, " + goesFirst
)

var controlPlane = map[string]string{clusterv1.MachineControlPlaneLabel: ""}

// inSet are the labels of a worker in the machine set.
func inSet(set string) map[string]string {
	return map[string]string{clusterv1.MachineDeploymentNameLabel: "workers", clusterv1.MachineSetNameLabel: set}
}

type rollout struct {
	there, new map[string]string
	owner      string
	desired    int
	leaving    string
	budget     int32
	says       string
	not        string
}

// rolloutsWithoutRoom are machines there and a new one, and what its refusal says.
var rolloutsWithoutRoom = map[string]rollout{
	"the surge of a control plane": {controlPlane, controlPlane, "KubeadmControlPlane blue", 3, "", 2, noSurge, "wait until"},
	"a control plane more":         {controlPlane, controlPlane, "KubeadmControlPlane blue", 5, "", 2, "add accounts", "maxSurge"},
	"a number that is not known":   {controlPlane, controlPlane, "KubeadmControlPlane blue", 0, "", 2, "add accounts", "maxSurge"},
	"the surge of workers": {
		inSet("old"), inSet("new"), "MachineDeployment workers", 3, "", 2, "set maxSurge: 0 and maxUnavailable: 1 on MachineDeployment workers, " + goesFirst,
		"wait until",
	},
	"a worker more": {inSet("old"), inSet("old"), "MachineDeployment workers", 3, "", 2, "add accounts", "maxSurge"},
	"a worker more where half is free": {
		inSet("old"), inSet("old"), "MachineDeployment workers", 3, "", 3,
		"choose a smaller size: account alice has room for one of 1 OCPUs and 12 GB of memory of " + arm, "allow other shapes",
	},
	"an old machine is on its way out": {
		controlPlane, controlPlane, "KubeadmControlPlane blue", 3, "bob", 2, "wait until the machines that are being deleted are gone: then it fits", "maxSurge",
	},
}

// Three full accounts, a machine in each, and one more machine: what its refusal says.
func TestARefusalNamesTheChangeThatMakesTheMachineFit(t *testing.T) {
	t.Parallel()
	for name, world := range rolloutsWithoutRoom {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			w := newWorld(t, nil, "alice", "bob", "carol")
			size := infrav1.Shape{Name: arm, OCPUs: 2, MemoryGB: 12}
			for i, account := range w.accounts {
				w.budget(i, infrav1.FamilyBudget{Family: armFamily, OCPUs: &world.budget})
				machine := machineIn("old-"+account.Name, at(1, account.Name))
				machine.Spec.Shapes = []infrav1.Shape{size}
				for key, value := range world.there {
					metav1.SetMetaDataLabel(&machine.ObjectMeta, key, value)
				}
				if account.Name == world.leaving {
					machine.DeletionTimestamp, machine.Finalizers = &metav1.Time{Time: w.now()}, []string{infrav1.OCIMeshMachineFinalizer}
				}
				w.put(machine)
			}
			request := w.request("new", size)
			request.Owner, request.ControlPlanes = world.owner, world.desired
			for key, value := range world.new {
				request.Labels[key] = value
			}

			_, refusal, err := w.scheduler.Schedule(t.Context(), request)

			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(refusal.Reason).To(Equal(infrav1.BudgetExceededReason))
			g.Expect(refusal.Message).To(ContainSubstring("alice: its budget has "))
			g.Expect(refusal.Message).To(ContainSubstring(world.says))
			g.Expect(refusal.Message).NotTo(ContainSubstring(world.not))
		})
	}
}

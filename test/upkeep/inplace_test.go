// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package upkeep

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/user"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/watch"
)

const (
	keptNamespace = "kept"
	controlPlanes = 3
)

func TestAClusterWithoutSpareCapacityIsChangedInPlaceWhereItCanBe(t *testing.T) {
	t.Parallel()
	c := create(t, keptNamespace, freeAccounts, user.Generation{
		Flavor: "always-free", ControlPlanes: controlPlanes, Workers: 1,
		Environment: []string{"OCIMESH_CONTROL_PLANE_MEMORY_GB=8", "OCIMESH_WORKER_MEMORY_GB=8"},
	}, addAccount)
	before := c.instances()
	c.Expect(before).To(HaveLen(controlPlanes + 1))
	launched := c.calls("LaunchInstance")

	c.change("tagged", func(spec *infrav1.OCIMeshMachineSpec) { spec.Tags = map[string]string{"team": "blue"} })
	c.Expect(c.instances()).To(Equal(before))
	for _, machine := range c.machines() {
		c.Expect(machine.FreeformTags).To(HaveKeyWithValue("team", "blue"))
	}
	c.Expect(c.calls("InstanceAction")).To(BeZero(), "tags are changed without a restart")

	c.change("grown", func(spec *infrav1.OCIMeshMachineSpec) {
		spec.Tags = nil
		spec.Shapes[0].MemoryGB = 12
		spec.BootVolume.SizeGB += 10
	})
	c.Expect(c.instances()).To(Equal(before))
	for _, machine := range c.machines() {
		c.Expect(machine.MemoryInGBs).To(BeEquivalentTo(12))
		c.Expect(machine.FreeformTags).NotTo(HaveKey("team"))
	}
	c.Expect(c.calls("UpdateBootVolume")).To(Equal(len(before)))
	c.Expect(c.calls("LaunchInstance")).To(Equal(launched))
	c.Expect(c.calls("TerminateInstance")).To(BeZero())

	// Another image takes other machines, each of which needs the room of the one before.
	c.change("replaced", func(spec *infrav1.OCIMeshMachineSpec) {
		spec.Image.Platform.Version = "22.04"
		spec.Tags = map[string]string{"team": "red"}
	})
	c.Expect(c.instances()).To(And(HaveLen(len(before)), Not(ContainElements(before))))
	c.Expect(c.calls("LaunchInstance")).To(Equal(launched + len(before)))
	c.Expect(c.calls("TerminateInstance")).To(Equal(len(before)))
	c.delete()
}

// addAccount gives the cluster an account for the worker: the template's three are full with control
// planes.
func addAccount(g *WithT, o *unstructured.Unstructured) {
	if o.GetKind() != "OCIMeshCluster" {
		return
	}
	accounts, _, err := unstructured.NestedSlice(o.Object, "spec", "accounts")
	g.Expect(err).NotTo(HaveOccurred())
	accounts = append(accounts, map[string]any{"name": freeAccounts[len(accounts)], "controlPlane": false})
	g.Expect(unstructured.SetNestedSlice(o.Object, accounts, "spec", "accounts")).To(Succeed())
}

// change gives control planes and workers changed templates, and waits until all machines are as
// these say.
func (c *cluster) change(to string, change func(*infrav1.OCIMeshMachineSpec)) {
	c.t.Helper()
	kcp, deployment := c.last.ControlPlane, c.last.Deployment
	changedKCP, changedDeployment := kcp.DeepCopy(), deployment.DeepCopy()
	for _, name := range []*string{
		&changedKCP.Spec.MachineTemplate.Spec.InfrastructureRef.Name, &changedDeployment.Spec.Template.Spec.InfrastructureRef.Name,
	} {
		template := &infrav1.OCIMeshMachineTemplate{}
		c.Expect(suite.client.Get(c.t.Context(), client.ObjectKey{Namespace: c.namespace, Name: *name}, template)).To(Succeed())
		*name = template.Name + "-" + to
		template.ObjectMeta = metav1.ObjectMeta{Namespace: c.namespace, Name: *name}
		change(&template.Spec.Template.Spec)
		c.Expect(suite.client.Create(c.t.Context(), template)).To(Succeed())
	}
	c.Expect(suite.client.Patch(c.t.Context(), changedKCP, client.MergeFrom(kcp))).To(Succeed())
	c.Expect(suite.client.Patch(c.t.Context(), changedDeployment, client.MergeFrom(deployment))).To(Succeed())
	wanted := []string{
		changedKCP.Spec.MachineTemplate.Spec.InfrastructureRef.Name, changedDeployment.Spec.Template.Spec.InfrastructureRef.Name,
	}
	c.await(func(s watch.Snapshot) string {
		if missing := c.updated(wanted); missing != "" {
			return missing
		}
		return s.Complete(controlPlanes, 1, version)
	})
}

// updated returns what is missing until all machines are of the templates, and no update is under
// way.
func (c *cluster) updated(templates []string) string {
	for _, own := range c.infra(c.WithT) {
		from := own.Annotations[clusterv1.TemplateClonedFromNameAnnotation]
		if from != templates[0] && from != templates[1] {
			return fmt.Sprintf("%s to be of a new template, and not of %s: Updated %s", own.Name, from,
				conditions.GetMessage(&own, infrav1.UpdatedCondition))
		}
	}
	machines := &clusterv1.MachineList{}
	c.Expect(suite.client.List(c.t.Context(), machines, client.InNamespace(c.namespace))).To(Succeed())
	for _, machine := range machines.Items {
		if _, updating := machine.Annotations[clusterv1.UpdateInProgressAnnotation]; updating || !conditions.IsTrue(&machine, clusterv1.MachineUpToDateCondition) {
			return fmt.Sprintf("Machine %s to be updated: %s; %s", machine.Name,
				conditions.GetMessage(&machine, clusterv1.MachineUpdatingCondition), conditions.GetMessage(&machine, clusterv1.MachineUpToDateCondition))
		}
	}
	return ""
}

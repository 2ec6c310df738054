// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package upkeep

import (
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

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

	c.upgrade()
	c.Expect(c.instances()).To(Equal(before))
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

// addAccount gives the cluster an account for the worker: the template's three are full with
// control planes.
func addAccount(g *WithT, o *unstructured.Unstructured) {
	g.Expect(user.AddWorkerAccounts(o, freeAccounts[controlPlanes:]...)).To(Succeed())
}

// change gives control planes and workers changed templates, and waits until all machines are as
// these say.
func (c *cluster) change(to string, change func(*infrav1.OCIMeshMachineSpec)) {
	c.t.Helper()
	templates, err := user.ChangeTemplates(c.t.Context(), suite.client, c.last.ControlPlane, c.last.Deployment, to, change)
	c.Expect(err).NotTo(HaveOccurred())
	c.templates = templates
	c.await(func(s watch.Snapshot) string {
		missing, err := user.NotUpdated(c.t.Context(), suite.client, c.namespace, templates)
		c.Expect(err).NotTo(HaveOccurred())
		if missing != "" {
			return missing
		}
		return s.Complete(controlPlanes, 1, c.version)
	})
}

// upgrade brings control planes and then workers to the next minor version.
func (c *cluster) upgrade() {
	c.t.Helper()
	c.version = nextVersion
	c.Expect(user.UpgradeControlPlane(c.t.Context(), suite.client, c.last.ControlPlane, nextVersion)).To(Succeed())
	c.await(func(s watch.Snapshot) string { return s.Complete(controlPlanes, 1, nextVersion) })
	c.Expect(user.UpgradeWorkers(c.t.Context(), suite.client, c.last.Deployment, nextVersion)).To(Succeed())
	c.await(func(s watch.Snapshot) string {
		for _, m := range s.Machines {
			if m.Version != nextVersion {
				return "Machine " + m.Name + " to be of the next version"
			}
		}
		missing, err := user.NotUpdated(c.t.Context(), suite.client, c.namespace, c.templates)
		c.Expect(err).NotTo(HaveOccurred())
		return missing
	})
}

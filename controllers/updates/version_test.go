// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package updates

import (
	"testing"

	. "github.com/onsi/gomega"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

func TestAVersionIsRecordedWhileNothingIsUpdated(t *testing.T) {
	mark := map[string]string{clusterv1.UpdateInProgressAnnotation: ""}
	for name, world := range map[string]struct {
		own, machine   map[string]string
		recorded, want string
	}{
		"the node was made":            {want: "v1.36.3"},
		"it was brought to another":    {recorded: "v1.36.2", want: "v1.36.2"},
		"the machine is being updated": {own: mark, machine: mark},
		"its update is about to begin": {machine: mark},
		"its update has just ended":    {own: mark},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			own, machine := &infrav1.OCIMeshMachine{}, &clusterv1.Machine{}
			own.Annotations, machine.Annotations = world.own, world.machine
			own.Status.KubernetesVersion, machine.Spec.Version = world.recorded, "v1.36.3"

			RecordVersion(own, machine)

			g.Expect(own.Status.KubernetesVersion).To(Equal(world.want))
			g.Expect(HasVersion(own, machine)).To(Equal(world.want == "v1.36.3"))
		})
	}
}

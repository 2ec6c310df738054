// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package webhooks

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

func TestAMachineChangesInPlaceOnlyWhereClusterAPIUpdatesIt(t *testing.T) {
	largerData := func(m *infrav1.OCIMeshMachine) { m.Spec.DataVolumes[0].SizeGB = 60 }
	for _, open := range []bool{false, true} {
		t.Run(fmt.Sprintf("gate open %t", open), func(t *testing.T) {
			serve(t, open)
			namespace := env.Namespace(t, nil)
			for name, world := range map[string]struct {
				change         func(*infrav1.OCIMeshMachine)
				marked, dryRun bool
				// taken says whether it is taken with the gate open, always with it closed.
				taken, always bool
			}{
				"by-hand":          {change: func(m *infrav1.OCIMeshMachine) { m.Spec.Shapes[0].OCPUs = 4 }},
				"tried":            {change: func(m *infrav1.OCIMeshMachine) { m.Spec.Shapes[0].OCPUs = 4 }, dryRun: true, always: true},
				"marked":           {change: func(m *infrav1.OCIMeshMachine) { m.Spec.Shapes[0].OCPUs = 4 }, marked: true, taken: true},
				"tags":             {change: func(m *infrav1.OCIMeshMachine) { m.Spec.Tags = map[string]string{"a": "b"} }},
				"tags-marked":      {change: func(m *infrav1.OCIMeshMachine) { m.Spec.Tags = map[string]string{"a": "b"} }, marked: true, taken: true},
				"volume":           {change: func(m *infrav1.OCIMeshMachine) { m.Spec.BootVolume.SizeGB = 80 }},
				"data":             {change: largerData},
				"data-marked":      {change: largerData, marked: true, taken: true},
				"volume-marked":    {change: func(m *infrav1.OCIMeshMachine) { m.Spec.BootVolume.SizeGB = 80 }, marked: true, taken: true},
				"tailscale":        {change: func(m *infrav1.OCIMeshMachine) { m.Spec.Tailscale.Version = "1.98.4" }},
				"tailscale-marked": {change: func(m *infrav1.OCIMeshMachine) { m.Spec.Tailscale.Version = "1.98.4" }, marked: true, taken: true},
				"labels":           {change: func(m *infrav1.OCIMeshMachine) { m.Labels = map[string]string{"a": "b"} }, always: true},
				"mark-only":        {change: func(*infrav1.OCIMeshMachine) {}, marked: true, always: true},
			} {
				t.Run(name, func(t *testing.T) {
					g := NewWithT(t)
					machine := &infrav1.OCIMeshMachine{
						ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: newTemplate("", "").Spec.Template.Spec,
					}
					machine.Spec.ProviderID = "oci://ocid1.instance.oc1..a"
					machine.Spec.DataVolumes = []infrav1.DataVolume{{Name: "data", SizeGB: 50, MountPath: "/data"}}
					env.Create(t, machine)
					world.change(machine)
					if world.marked {
						machine.Annotations = map[string]string{clusterv1.UpdateInProgressAnnotation: ""}
					}
					var options []client.UpdateOption
					if world.dryRun {
						options = append(options, client.DryRunAll)
					}
					err := env.Client.Update(t.Context(), machine, options...)
					if world.always || (open && world.taken) {
						g.Expect(err).NotTo(HaveOccurred())
						return
					}
					g.Expect(apierrors.IsInvalid(err)).To(BeTrue(), "Cluster API takes Invalid for an answer: %v", err)
					g.Expect(err).To(MatchError(ContainSubstring("change the template instead")))
				})
			}
		})
	}
}

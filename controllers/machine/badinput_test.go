// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

// bootstrapSecret is the machine's.
func (b *bench) bootstrapSecret(t *testing.T, own *infrav1.OCIMeshMachine) *corev1.Secret {
	t.Helper()
	secret := &corev1.Secret{}
	key := client.ObjectKey{Namespace: own.Namespace, Name: own.Name + "-bootstrap"}
	NewWithT(t).Expect(b.Client.Get(t.Context(), key, secret)).To(Succeed())
	return secret
}

func TestShapesAndImagesThatDoNotExistAreTold(t *testing.T) {
	t.Parallel()
	custom := func(_ int, tenancy *sim.Tenancy) {
		tenancy.Images = append(tenancy.Images, sim.ImageSpec{
			Name: "golden", OperatingSystem: "Canonical Ubuntu", OperatingSystemVersion: "24.04", Arch: "amd64",
		})
	}
	b := newBench(t, helpers.WorldOptions{Accounts: 2, Tenancy: custom})
	unknownID := "ocid1.image.oc1.iad.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	for name, world := range map[string]struct {
		change func(*infrav1.OCIMeshMachineSpec)
		reason string
	}{
		"an-unknown-shape": {
			func(spec *infrav1.OCIMeshMachineSpec) { spec.Shapes[0].Name = "VM.Standard.Z9.Flex" }, "ShapeNotFound",
		},
		"an-unknown-image-name": {
			func(spec *infrav1.OCIMeshMachineSpec) { spec.Image = infrav1.Image{Name: "silver"} }, "ImageNotFound",
		},
		"an-unknown-image": {
			func(spec *infrav1.OCIMeshMachineSpec) { spec.Image = infrav1.Image{ID: unknownID} }, "ImageNotFound",
		},
		"an-image-of-the-wrong-architecture": {
			func(spec *infrav1.OCIMeshMachineSpec) { spec.Image = infrav1.Image{Name: "golden"} }, "ImageArchitectureMismatch",
		},
		"an-unknown-operating-system": {
			func(spec *infrav1.OCIMeshMachineSpec) { spec.Image.Platform.Version = "99.04" }, "ImageNotFound",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			own := b.machine(t, name, func(_ *clusterv1.Machine, own *infrav1.OCIMeshMachine) { world.change(&own.Spec) })
			b.untilCondition(t, own, "Ready False "+world.reason)
			message := helpers.MessageOf(own, infrav1.ReadyCondition)
			for _, account := range b.AccountNames() {
				g.Expect(strings.Count(message, account+": ")).To(Equal(1), message)
			}
			g.Expect(message).To(ContainSubstring("fix spec."))
			b.delete(t, own)
		})
	}
	b.expectNothingLeft(t)
}

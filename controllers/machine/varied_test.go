// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"testing"

	. "github.com/onsi/gomega"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/varied"
)

func TestTheLifeOfAMachineWhateverOCIAnswers(t *testing.T) {
	t.Parallel()
	varied.Run(t, 2, func(t *testing.T, seed uint64) {
		g := NewWithT(t)
		b := newBench(t, helpers.WorldOptions{Sim: sim.Options{Seed: seed, PageSize: 3}})
		b.OCI.AddFault(sim.Fault{Operation: "LaunchInstance", WorkRequestFails: true, Code: "InternalError", Message: "Out of host capacity."})
		own := b.machine(t, "worker", func(_ *clusterv1.Machine, own *infrav1.OCIMeshMachine) {
			own.Spec.DataVolumes = []infrav1.DataVolume{{Name: "data-0", SizeGB: 50, MountPath: "/var/lib/data"}}
		})
		b.untilProvisioned(t, own)
		g.Expect(len(b.instances(t))).To(Equal(1))
		g.Expect(b.instances(t)[0].ImageName).To(HavePrefix("Canonical-Ubuntu-24.04"), "one of Oracle's")
		b.delete(t, own)
		b.expectNothingLeft(t)
	})
}

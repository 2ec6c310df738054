// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package poolmachine_test

import (
	"slices"
	"testing"

	. "github.com/onsi/gomega"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

func TestAVolumeGoesWithItsInstanceUnlessSomebodyDetachedIt(t *testing.T) {
	for name, world := range map[string]struct {
		before func(t *testing.T, b *bench, object *expv1.OCIMeshMachinePoolMachine)
		// left is how many volumes stay, told whether somebody hears of it.
		left int
		told bool
	}{
		"nobody touched it": {func(*testing.T, *bench, *expv1.OCIMeshMachinePoolMachine) {}, 0, false},
		"somebody detached it, to rescue it": {func(t *testing.T, b *bench, _ *expv1.OCIMeshMachinePoolMachine) {
			b.detachVolume(t)
		}, 1, true},
		"somebody detached it, and the whole pool takes it along": {func(t *testing.T, b *bench, object *expv1.OCIMeshMachinePoolMachine) {
			pool := &expv1.OCIMeshMachinePool{}
			pool.Namespace, pool.Name = b.Namespace, "workers"
			b.Reload(t, pool)
			b.status(t, pool, `{"leaving":{"recordedAt":"2026-01-01T00:00:00Z","volumeIDs":[%q]}}`, b.volume(t))
			b.detachVolume(t)
		}, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t)
			b.launchPool(t, 1, tagsOf(uid, b.Namespace, "workers"))
			object := b.nodeOf(t)
			world.before(t, b, object)
			volume := b.volume(t)

			b.delete(t, object)

			g.Expect(b.state()).To(Equal("TERMINATED"))
			g.Expect(b.volumes(t)).To(Equal(world.left))
			heard := ContainElement(And(ContainSubstring("Warning VolumesLeft"), ContainSubstring(volume), ContainSubstring(b.Accounts[0].Name)))
			if world.told {
				g.Expect(b.recorder.Events()).To(heard)
			} else {
				g.Expect(b.recorder.Events()).NotTo(heard)
			}
		})
	}
}

func TestAVolumeThatOCIDoesNotDeleteKeepsTheObject(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t)
	b.launchPool(t, 1, tagsOf(uid, b.Namespace, "workers"))
	object := b.nodeOf(t)
	b.OCI.AddFault(sim.Fault{Operation: "DeleteVolume", Status: 503, Code: "ServiceUnavailable", Times: -1})
	b.untilDeletionWaits(t, object, "WaitingForAccount")
	g.Expect(b.state()).To(Equal("TERMINATED"), "its instance has ended")
	g.Expect(helpers.MessageOf(object, "Deleting")).To(HavePrefix("The instance cannot be proven gone"))

	b.OCI.ClearFaults()
	b.untilGone(t, object)
	g.Expect(b.volumes(t)).To(BeZero())
}

// volume is the OCID of the only data volume.
func (b *bench) volume(t *testing.T) string {
	t.Helper()
	g := NewWithT(t)
	all, err := b.client(t).DataVolumes(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	// Other people have volumes in the compartment, too.
	all = slices.DeleteFunc(all, func(v oci.Volume) bool { return v.Tags["owner"] != "" })
	g.Expect(all).To(HaveLen(1))
	return all[0].ID
}

// detachVolume takes the data volume off the instance.
func (b *bench) detachVolume(t *testing.T) {
	t.Helper()
	NewWithT(t).Expect(b.OCI.DetachVolume("data")).To(Succeed())
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"testing"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

func TestADetachedVolumeIsNotSaidToHaveGrown(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string]bool{"and status is kept": false, "and status is lost": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{})
			own, _ := b.joined(t, withData)
			g.Expect(b.OCI.DetachVolume(own.Status.Tailnet.Hostname + "-etcd")).To(Succeed())

			b.updates(t, own, data(60))
			if lost {
				b.losesStatus(t, own)
			}
			b.untilTold(t, own, "Updated False NodeUpdateFailed", "The data volume etcd is not attached to the instance")
			b.settle(t, own, 3)
			g.Expect(helpers.ConditionsOf(own)).To(ContainElement("Updated False NodeUpdateFailed"))
			g.Expect(own.Status.Size.DataVolumesGB).To(BeEquivalentTo(100))
			g.Expect(b.calls("UpdateVolume")).To(BeZero())

			// Whatever else is wanted goes on without it.
			b.updates(t, own, func(s *infrav1.OCIMeshMachineSpec) { s.Tags = map[string]string{"room": "4"} })
			b.until(t, own, func(g Gomega) {
				g.Expect(b.instance(t, own.Status.Instance.ID).Tags).To(HaveKeyWithValue("room", "4"))
			})
		})
	}
}

// Somebody has a backup of a volume beside it, under the same name.
func TestACopyOfAVolumeBesideItIsNeitherGrownNorDeleted(t *testing.T) {
	t.Parallel()
	for name, world := range map[string]struct {
		// detached is taken away, so that the copy is on its device.
		detached, device string
	}{
		"in the place of another volume": {detached: "-logs", device: "/dev/oracleoci/oraclevdc"},
		"behind all of them":             {device: "/dev/oracleoci/oraclevdd"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{})
			own, node := b.joined(t, withData)
			volume := own.Status.Tailnet.Hostname + "-etcd"
			first := b.volumesOf(t, volume)
			if world.detached != "" {
				g.Expect(b.OCI.DetachVolume(own.Status.Tailnet.Hostname + world.detached)).To(Succeed())
			}
			g.Expect(b.OCI.AttachCopy(volume, world.device)).To(Succeed())

			b.updates(t, own, data(60))
			b.untilTold(t, own, "Updated False Updating", "Waiting for node")
			b.nodeFills(t, node, "/=50 /var/lib/etcd=60 /logs=50")
			b.untilUpdated(t, own)
			g.Expect(b.calls("UpdateVolume")).To(Equal(1))
			b.delete(t, own)

			left := b.volumesOf(t, volume)
			g.Expect(left).To(HaveLen(1))
			g.Expect(left[0].GB).To(BeEquivalentTo(50))
			g.Expect(left[0].ID).NotTo(Equal(first[0].ID))
			g.Expect(left[0].State).To(Equal(oci.StateAvailable))
		})
	}
}

// volumesOf are the data volumes of a name.
func (b *bench) volumesOf(t *testing.T, name string) []oci.Volume {
	t.Helper()
	all, err := b.client(t).DataVolumes(t.Context())
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	var named []oci.Volume
	for _, volume := range all {
		if volume.DisplayName == name {
			named = append(named, volume)
		}
	}
	return named
}

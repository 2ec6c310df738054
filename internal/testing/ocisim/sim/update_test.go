// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package sim_test

import (
	"testing"

	. "github.com/onsi/gomega"
	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
)

func TestABootVolumeOnlyGrowsAndOnlyOnceAtATime(t *testing.T) {
	b := newBench(t)
	instance, err := b.launch(b.launchDetails(b.subnet(b.vcn("10.0.0.0/16"), "10.0.0.0/24", "nodes")))
	b.g.Expect(err).NotTo(HaveOccurred())
	b.clock.Advance(step)
	attached, err := b.compute.ListBootVolumeAttachments(b.t.Context(), core.ListBootVolumeAttachmentsRequest{
		CompartmentId: b.compartment(), AvailabilityDomain: b.domain(0), InstanceId: instance.Id,
	})
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(attached.Items).To(HaveLen(1))
	id := attached.Items[0].BootVolumeId
	grow := func(gb int64) (core.BootVolume, error) {
		answer, err := b.storage.UpdateBootVolume(b.t.Context(), core.UpdateBootVolumeRequest{
			BootVolumeId: id, UpdateBootVolumeDetails: core.UpdateBootVolumeDetails{SizeInGBs: &gb},
		})
		return answer.BootVolume, err
	}
	for _, gb := range []int64{40, 50, 40000} {
		_, err = grow(gb)
		b.g.Expect(refusal(err)).To(Equal("400 InvalidParameter"), "to %d GB", gb)
	}
	volume, err := grow(80)
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(volume.SizeInGBs).To(HaveValue(BeEquivalentTo(80)))
	_, err = grow(90)
	b.g.Expect(refusal(err)).To(HavePrefix("409 "), "it grows already")
	b.clock.Advance(step)
	_, err = grow(90)
	b.g.Expect(err).NotTo(HaveOccurred())
}

func TestADataVolumeOnlyGrowsAndOnlyOnceAtATime(t *testing.T) {
	b := newBench(t)
	made, err := b.storage.CreateVolume(b.t.Context(), core.CreateVolumeRequest{CreateVolumeDetails: core.CreateVolumeDetails{
		CompartmentId: b.compartment(), AvailabilityDomain: b.domain(0), SizeInGBs: common.Int64(50),
	}})
	b.g.Expect(err).NotTo(HaveOccurred())
	grow := func(gb int64) error {
		_, err := b.storage.UpdateVolume(b.t.Context(), core.UpdateVolumeRequest{
			VolumeId: made.Id, UpdateVolumeDetails: core.UpdateVolumeDetails{SizeInGBs: &gb},
		})
		return err
	}
	b.g.Expect(refusal(grow(60))).To(HavePrefix("409 "), "it is being made")
	b.clock.Advance(step)
	for _, gb := range []int64{49, 50, 32769} {
		b.g.Expect(refusal(grow(gb))).To(Equal("400 InvalidParameter"), "to %d GB", gb)
	}
	b.g.Expect(grow(60)).To(Succeed())
	b.g.Expect(refusal(grow(70))).To(HavePrefix("409 "), "it grows already")
	b.clock.Advance(step)
	b.g.Expect(grow(70)).To(Succeed())
}

func TestARepeatedResizeRestartsAnInstanceOnce(t *testing.T) {
	b := newBench(t)
	instance, err := b.launch(b.launchDetails(b.subnet(b.vcn("10.0.0.0/16"), "10.0.0.0/24", "nodes")))
	b.g.Expect(err).NotTo(HaveOccurred())
	b.clock.Advance(step)
	request := core.UpdateInstanceRequest{
		InstanceId: instance.Id, OpcRetryToken: common.String("token"),
		UpdateInstanceDetails: core.UpdateInstanceDetails{ShapeConfig: &core.UpdateInstanceShapeConfigDetails{
			Ocpus: common.Float32(1), MemoryInGBs: common.Float32(7),
		}},
	}
	first, err := b.compute.UpdateInstance(b.t.Context(), request)
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(first.LifecycleState).To(Equal(core.InstanceLifecycleStateStopping))
	b.clock.Advance(step)
	b.g.Expect(b.instanceState(instance.Id)).To(Equal(core.InstanceLifecycleStateRunning))
	again, err := b.compute.UpdateInstance(b.t.Context(), request)
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(again.OpcWorkRequestId).To(Equal(first.OpcWorkRequestId))
	b.g.Expect(b.instanceState(instance.Id)).To(Equal(core.InstanceLifecycleStateRunning))
}

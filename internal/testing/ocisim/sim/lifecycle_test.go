// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package sim_test

import (
	"testing"

	. "github.com/onsi/gomega"
	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
)

func TestInstanceLivesFromProvisioningToTerminated(t *testing.T) {
	b := newBench(t)
	g := b.g
	subnet := b.subnet(b.vcn("10.0.0.0/16"), "10.0.0.0/24", "nodes")

	instance, err := b.launch(b.launchDetails(subnet))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(instance.LifecycleState).To(Equal(core.InstanceLifecycleStateProvisioning))
	g.Expect(instance.FreeformTags).To(HaveKeyWithValue("owner", "test"))

	b.clock.Advance(testDelays().Provision)
	g.Expect(b.instanceState(instance.Id)).To(Equal(core.InstanceLifecycleStateProvisioning))
	b.clock.Advance(testDelays().Start)
	g.Expect(b.instanceState(instance.Id)).To(Equal(core.InstanceLifecycleStateRunning))

	attachments, err := b.compute.ListVnicAttachments(b.t.Context(), core.ListVnicAttachmentsRequest{CompartmentId: b.compartment(), InstanceId: instance.Id})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(attachments.Items).To(HaveLen(1))
	vnic, err := b.network.GetVnic(b.t.Context(), core.GetVnicRequest{VnicId: attachments.Items[0].VnicId})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(*vnic.PrivateIp).To(Equal("10.0.0.2"))
	g.Expect(*vnic.IsPrimary).To(BeTrue())

	_, err = b.compute.InstanceAction(b.t.Context(), core.InstanceActionRequest{InstanceId: instance.Id, Action: core.InstanceActionActionStop})
	g.Expect(err).NotTo(HaveOccurred())
	b.clock.Advance(step)
	g.Expect(b.instanceState(instance.Id)).To(Equal(core.InstanceLifecycleStateStopped))
	_, err = b.compute.InstanceAction(b.t.Context(), core.InstanceActionRequest{InstanceId: instance.Id, Action: core.InstanceActionActionStart})
	g.Expect(err).NotTo(HaveOccurred())
	b.clock.Advance(step)
	g.Expect(b.instanceState(instance.Id)).To(Equal(core.InstanceLifecycleStateRunning))

	terminated, err := b.compute.TerminateInstance(b.t.Context(), core.TerminateInstanceRequest{InstanceId: instance.Id})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(*terminated.OpcWorkRequestId).NotTo(BeEmpty())
	g.Expect(b.instanceState(instance.Id)).To(Equal(core.InstanceLifecycleStateTerminating))
	b.clock.Advance(step)
	g.Expect(b.instanceState(instance.Id)).To(Equal(core.InstanceLifecycleStateTerminated))
	volumes, err := b.storage.ListBootVolumes(b.t.Context(), core.ListBootVolumesRequest{CompartmentId: b.compartment()})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(volumes.Items).To(HaveLen(1))
	g.Expect(volumes.Items[0].LifecycleState).To(Equal(core.BootVolumeLifecycleStateTerminated))

	b.clock.Advance(testDelays().Retention)
	_, err = b.compute.GetInstance(b.t.Context(), core.GetInstanceRequest{InstanceId: common.String(*instance.Id)})
	g.Expect(refusal(err)).To(Equal("404 NotAuthorizedOrNotFound"))
}

func TestAPreemptibleInstanceIsNeitherStoppedNorStartedNorResetNorResized(t *testing.T) {
	b := newBench(t)
	details := b.launchDetails(b.subnet(b.vcn("10.0.0.0/16"), "10.0.0.0/24", "open"))
	details.PreemptibleInstanceConfig = preemptible()
	instance, err := b.launch(details)
	b.g.Expect(err).NotTo(HaveOccurred())
	b.clock.Advance(step)
	act := func(action core.InstanceActionActionEnum) string {
		_, err := b.compute.InstanceAction(t.Context(), core.InstanceActionRequest{InstanceId: instance.Id, Action: action})
		return refusal(err)
	}
	for _, action := range []core.InstanceActionActionEnum{"STOP", "SOFTSTOP", "RESET", "SOFTRESET"} {
		b.g.Expect(act(action)).To(Equal("400 InvalidParameter"), string(action))
	}
	_, err = b.compute.UpdateInstance(t.Context(), core.UpdateInstanceRequest{InstanceId: instance.Id, UpdateInstanceDetails: core.UpdateInstanceDetails{
		ShapeConfig: &core.UpdateInstanceShapeConfigDetails{Ocpus: common.Float32(1), MemoryInGBs: common.Float32(6)},
	}})
	b.g.Expect(refusal(err)).To(Equal("400 InvalidParameter"))
	_, err = b.compute.UpdateInstance(t.Context(), core.UpdateInstanceRequest{InstanceId: instance.Id, UpdateInstanceDetails: core.UpdateInstanceDetails{
		DisplayName: common.String("another"),
	}})
	b.g.Expect(err).NotTo(HaveOccurred())

	// It shuts itself down.
	b.g.Expect(b.sim.StopInstance(*instance.Id)).To(Succeed())
	b.clock.Advance(step)
	b.g.Expect(act("START")).To(Equal("400 InvalidParameter"))
}

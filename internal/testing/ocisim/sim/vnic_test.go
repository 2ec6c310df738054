// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package sim_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

// running launches a machine and waits until it is RUNNING.
func (b *bench) running(subnet core.Subnet) core.Instance {
	instance, err := b.launch(b.launchDetails(subnet))
	b.g.Expect(err).NotTo(HaveOccurred())
	b.clock.Advance(step)
	b.g.Expect(b.instanceState(instance.Id)).To(Equal(core.InstanceLifecycleStateRunning))
	return instance
}

func (b *bench) attachVnic(instance *string, vnic core.CreateVnicDetails) (core.VnicAttachment, error) {
	response, err := b.compute.AttachVnic(b.t.Context(), core.AttachVnicRequest{
		AttachVnicDetails: core.AttachVnicDetails{InstanceId: instance, CreateVnicDetails: &vnic}})
	return response.VnicAttachment, err
}

func (b *bench) detachVnic(attachment *string) error {
	_, err := b.compute.DetachVnic(b.t.Context(), core.DetachVnicRequest{VnicAttachmentId: attachment})
	return err
}

func TestSecondaryVnicIsRefused(t *testing.T) {
	b := newBench(t)
	subnet := b.subnet(b.vcn("10.0.0.0/16"), "10.0.1.0/24", "nodes")
	ready := b.running(subnet)
	starting, err := b.launch(b.launchDetails(subnet))
	b.g.Expect(err).NotTo(HaveOccurred())
	for name, world := range map[string]struct {
		instance *string
		vnic     core.CreateVnicDetails
		expect   string
	}{
		"unknown instance":         {common.String("ocid1.instance.x"), core.CreateVnicDetails{SubnetId: subnet.Id}, "404 NotAuthorizedOrNotFound"},
		"instance not yet there":   {starting.Id, core.CreateVnicDetails{SubnetId: subnet.Id}, "409 IncorrectState"},
		"no subnet":                {ready.Id, core.CreateVnicDetails{}, "400 MissingParameter"},
		"address of another":       {ready.Id, core.CreateVnicDetails{SubnetId: subnet.Id, PrivateIp: common.String("10.0.1.2")}, "409 Conflict"},
		"address outside":          {ready.Id, core.CreateVnicDetails{SubnetId: subnet.Id, PrivateIp: common.String("10.0.2.2")}, "400 InvalidParameter"},
		"unknown security group":   {ready.Id, core.CreateVnicDetails{SubnetId: subnet.Id, NsgIds: []string{"ocid1.networksecuritygroup.x"}}, "400 RelatedResourceNotAuthorizedOrNotFound"},
		"hostname label malformed": {ready.Id, core.CreateVnicDetails{SubnetId: subnet.Id, HostnameLabel: common.String("a_b")}, "400 InvalidParameter"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := b.attachVnic(world.instance, world.vnic)
			NewWithT(t).Expect(refusal(err)).To(Equal(world.expect))
		})
	}
}

func TestSecondaryVnicsComeAndGo(t *testing.T) {
	b := newBench(t)
	g := b.g
	subnet := b.subnet(b.vcn("10.0.0.0/16"), "10.0.1.0/24", "nodes")
	instance := b.running(subnet)
	primary, err := b.compute.ListVnicAttachments(t.Context(), core.ListVnicAttachmentsRequest{CompartmentId: b.compartment(), InstanceId: instance.Id})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(refusal(b.detachVnic(primary.Items[0].Id))).To(Equal("400 InvalidParameter"), "the primary VNIC")

	attached, err := b.attachVnic(instance.Id, core.CreateVnicDetails{SubnetId: subnet.Id, DisplayName: common.String("second")})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(attached.LifecycleState).To(Equal(core.VnicAttachmentLifecycleStateAttaching))
	g.Expect(attached.VnicId).To(BeNil())
	_, err = b.attachVnic(instance.Id, core.CreateVnicDetails{SubnetId: subnet.Id})
	g.Expect(refusal(err)).To(Equal("400 LimitExceeded"), "a shape of two OCPUs has two VNICs")
	b.clock.Advance(step)
	got, err := b.compute.GetVnicAttachment(t.Context(), core.GetVnicAttachmentRequest{VnicAttachmentId: attached.Id})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got.LifecycleState).To(Equal(core.VnicAttachmentLifecycleStateAttached))

	update := core.UpdateVnicRequest{VnicId: got.VnicId, UpdateVnicDetails: core.UpdateVnicDetails{DisplayName: common.String("new"), SkipSourceDestCheck: common.Bool(true)}}
	updated, err := b.network.UpdateVnic(t.Context(), update)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(*updated.DisplayName).To(Equal("new"))
	g.Expect(*updated.SkipSourceDestCheck).To(BeTrue())
	g.Expect(*updated.IsPrimary).To(BeFalse())
	update.NsgIds = []string{"ocid1.networksecuritygroup.x"}
	_, err = b.network.UpdateVnic(t.Context(), update)
	g.Expect(refusal(err)).To(Equal("400 RelatedResourceNotAuthorizedOrNotFound"))

	g.Expect(b.detachVnic(attached.Id)).To(Succeed())
	g.Expect(refusal(b.detachVnic(attached.Id))).To(Equal("409 IncorrectState"))
	b.clock.Advance(step)
	got, err = b.compute.GetVnicAttachment(t.Context(), core.GetVnicAttachmentRequest{VnicAttachmentId: attached.Id})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got.LifecycleState).To(Equal(core.VnicAttachmentLifecycleStateDetached))
	_, err = b.network.GetVnic(t.Context(), core.GetVnicRequest{VnicId: updated.Id})
	g.Expect(refusal(err)).To(Equal("404 NotAuthorizedOrNotFound"))
}

func TestPublicAddressesOfAllTenanciesDiffer(t *testing.T) {
	booter := &recorder{}
	other := sim.NewTenancy("other")
	b := newBench(t, func(options *sim.Options, _ *sim.Tenancy) {
		options.Booter, options.Tenancies = booter, append(options.Tenancies, other)
	})
	credentials, err := b.sim.NewUser(other)
	b.g.Expect(err).NotTo(HaveOccurred())
	second := *b
	second.tenancy, second.clients = other, b.connect(credentials)

	for _, tenancy := range []*bench{b, &second} {
		tenancy.running(tenancy.subnet(tenancy.vcn("10.0.0.0/16"), "10.0.0.0/24", "nodes"))
	}

	b.g.Eventually(booter.seen, time.Minute).Should(HaveLen(2))
	b.g.Expect(booter.machines[0].PublicIP).NotTo(Equal(booter.machines[1].PublicIP))
}

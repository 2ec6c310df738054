// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package sim_test

import (
	"testing"

	. "github.com/onsi/gomega"
	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
)

// peering makes a DRG and one end of a remote peering on it.
func (b *bench) peering() core.RemotePeeringConnection {
	drg, err := b.network.CreateDrg(b.t.Context(), core.CreateDrgRequest{CreateDrgDetails: core.CreateDrgDetails{CompartmentId: b.compartment()}})
	b.g.Expect(err).NotTo(HaveOccurred())
	b.clock.Advance(step)
	made, err := b.network.CreateRemotePeeringConnection(b.t.Context(), core.CreateRemotePeeringConnectionRequest{
		CreateRemotePeeringConnectionDetails: core.CreateRemotePeeringConnectionDetails{CompartmentId: b.compartment(), DrgId: drg.Id}})
	b.g.Expect(err).NotTo(HaveOccurred())
	b.clock.Advance(step)
	return made.RemotePeeringConnection
}

func TestPeeringsAreConnectedOnce(t *testing.T) {
	b := newBench(t)
	g := b.g
	one, other := b.peering(), b.peering()
	connect := func(peer *string, region string) error {
		_, err := b.network.ConnectRemotePeeringConnections(t.Context(), core.ConnectRemotePeeringConnectionsRequest{RemotePeeringConnectionId: one.Id,
			ConnectRemotePeeringConnectionsDetails: core.ConnectRemotePeeringConnectionsDetails{PeerId: peer, PeerRegionName: common.String(region)}})
		return err
	}
	g.Expect(refusal(connect(common.String("ocid1.x"), b.credentials.Region))).To(Equal("404 NotAuthorizedOrNotFound"))
	g.Expect(refusal(connect(other.Id, "nowhere"))).To(Equal("400 InvalidParameter"))
	g.Expect(connect(other.Id, b.credentials.Region)).To(Succeed())
	b.clock.Advance(step)
	got, err := b.network.GetRemotePeeringConnection(t.Context(), core.GetRemotePeeringConnectionRequest{RemotePeeringConnectionId: other.Id})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got.PeeringStatus).To(Equal(core.RemotePeeringConnectionPeeringStatusPeered))
	g.Expect(refusal(connect(other.Id, b.credentials.Region))).To(Equal("409 IncorrectState"))
	_, err = b.network.DeleteDrg(t.Context(), core.DeleteDrgRequest{DrgId: one.DrgId})
	g.Expect(refusal(err)).To(Equal("409 Conflict"))
}

func TestDrgAttachmentKeepsNetworkAndGateway(t *testing.T) {
	b := newBench(t)
	g := b.g
	vcn := b.vcn("10.0.0.0/16")
	drg, err := b.network.CreateDrg(t.Context(), core.CreateDrgRequest{CreateDrgDetails: core.CreateDrgDetails{CompartmentId: b.compartment()}})
	g.Expect(err).NotTo(HaveOccurred())
	request := core.CreateDrgAttachmentRequest{CreateDrgAttachmentDetails: core.CreateDrgAttachmentDetails{DrgId: drg.Id,
		NetworkDetails: core.VcnDrgAttachmentNetworkCreateDetails{Id: vcn.Id}}}
	_, err = b.network.CreateDrgAttachment(t.Context(), request)
	g.Expect(refusal(err)).To(Equal("409 IncorrectState"), "the gateway is PROVISIONING")
	b.clock.Advance(step)
	made, err := b.network.CreateDrgAttachment(t.Context(), request)
	g.Expect(err).NotTo(HaveOccurred())
	b.clock.Advance(step)
	_, err = b.network.CreateDrgAttachment(t.Context(), request)
	g.Expect(refusal(err)).To(Equal("409 Conflict"))
	deleteVcn := func() error {
		_, err := b.network.DeleteVcn(t.Context(), core.DeleteVcnRequest{VcnId: vcn.Id})
		return err
	}
	deleteDrg := func() error {
		_, err := b.network.DeleteDrg(t.Context(), core.DeleteDrgRequest{DrgId: drg.Id})
		return err
	}
	g.Expect(refusal(deleteVcn())).To(Equal("409 Conflict"))
	g.Expect(refusal(deleteDrg())).To(Equal("409 Conflict"))
	_, err = b.network.DeleteDrgAttachment(t.Context(), core.DeleteDrgAttachmentRequest{DrgAttachmentId: made.Id})
	g.Expect(err).NotTo(HaveOccurred())
	b.clock.Advance(step)
	g.Expect(deleteVcn()).To(Succeed())
	g.Expect(deleteDrg()).To(Succeed())
	b.clock.Advance(step)
	left, err := b.sim.Leftovers("one")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(left).To(BeEmpty())
}

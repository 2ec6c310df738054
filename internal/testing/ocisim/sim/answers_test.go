// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package sim_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

// What the real service answers in the cassettes of oracle/oci-cli, where one would expect
// something else.

func TestShapesAreListedForEachAvailabilityDomain(t *testing.T) {
	b := newBench(t, func(options *sim.Options, tenancy *sim.Tenancy) { tenancy.ADs, options.PageSize = 3, 1 })
	request := core.ListShapesRequest{CompartmentId: b.compartment(), Shape: common.String("VM.Standard.A1.Flex")}
	found := 0
	for {
		response, err := b.compute.ListShapes(t.Context(), request)
		b.g.Expect(err).NotTo(HaveOccurred())
		b.g.Expect(response.Items).To(HaveLen(1))
		found++
		if response.OpcNextPage == nil {
			break
		}
		request.Page = response.OpcNextPage
	}
	b.g.Expect(found).To(Equal(3))

	request.AvailabilityDomain, request.Page = b.domain(1), nil
	response, err := b.compute.ListShapes(t.Context(), request)
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(response.Items).To(HaveLen(1))
	b.g.Expect(response.OpcNextPage).To(BeNil())
}

func TestInstancesNameTheirRegionShortAndAreProvisioningUntilTheyRun(t *testing.T) {
	b := newBench(t, func(_ *sim.Options, tenancy *sim.Tenancy) { tenancy.Region = "us-ashburn-1" })
	instance, err := b.launch(b.launchDetails(b.subnet(b.vcn("10.0.0.0/16"), "10.0.0.0/24", "nodes")))
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(*instance.Region).To(Equal("iad"))
	b.clock.Advance(testDelays().Provision)
	b.g.Expect(b.instanceState(instance.Id)).To(Equal(core.InstanceLifecycleStateProvisioning))
	b.clock.Advance(testDelays().Start)
	b.g.Expect(b.instanceState(instance.Id)).To(Equal(core.InstanceLifecycleStateRunning))
}

func TestASecondServiceGatewayAndOneRuleTooManyAreInvalid(t *testing.T) {
	b := newBench(t)
	vcn := b.vcn("10.0.0.0/16")
	services, err := b.network.ListServices(t.Context(), core.ListServicesRequest{})
	b.g.Expect(err).NotTo(HaveOccurred())
	gateway := func() error {
		_, err := b.network.CreateServiceGateway(t.Context(), core.CreateServiceGatewayRequest{CreateServiceGatewayDetails: core.CreateServiceGatewayDetails{
			CompartmentId: b.compartment(), VcnId: vcn.Id, Services: []core.ServiceIdRequestDetails{{ServiceId: services.Items[0].Id}},
		}})
		return err
	}
	b.g.Expect(gateway()).To(Succeed())
	b.g.Expect(refusal(gateway())).To(Equal("400 InvalidParameter"))

	nat := func() error {
		_, err := b.network.CreateNatGateway(t.Context(), core.CreateNatGatewayRequest{
			CreateNatGatewayDetails: core.CreateNatGatewayDetails{CompartmentId: b.compartment(), VcnId: vcn.Id},
		})
		return err
	}
	b.g.Expect(nat()).To(Succeed())
	second := nat()
	b.g.Expect(refusal(second)).To(Equal("400 LimitExceeded"))
	b.g.Expect(second.Error()).To(ContainSubstring("NAT gateway limit per VCN reached"))
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package sim_test

import (
	"encoding/base64"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/limits"
	"github.com/oracle/oci-go-sdk/v65/workrequests"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

func TestLaunchIsRefused(t *testing.T) {
	b := newBench(t, func(_ *sim.Options, tenancy *sim.Tenancy) { tenancy.ADs = 3 })
	vcn := b.vcn("10.0.0.0/16")
	open := b.subnet(vcn, "10.0.0.0/24", "open")
	response, err := b.network.CreateSubnet(b.t.Context(), core.CreateSubnetRequest{CreateSubnetDetails: core.CreateSubnetDetails{
		CompartmentId: b.compartment(), VcnId: vcn.Id, CidrBlock: common.String("10.0.1.0/24"),
		AvailabilityDomain: b.domain(1), ProhibitPublicIpOnVnic: common.Bool(true)}})
	b.g.Expect(err).NotTo(HaveOccurred())
	closed := response.Subnet
	b.clock.Advance(step)
	good := b.launchDetails(open)

	for name, world := range badLaunches(b, closed) {
		t.Run(name, func(t *testing.T) {
			details, vnic, size := good, *good.CreateVnicDetails, *good.ShapeConfig
			details.CreateVnicDetails, details.ShapeConfig = &vnic, &size
			world.change(&details)
			_, err := b.launch(details)
			NewWithT(t).Expect(refusal(err)).To(Equal(world.expect))
		})
	}
	left, err := b.sim.Leftovers("one")
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(left).To(HaveLen(3), "a VCN and two subnets: a refused launch leaves nothing")
}

// badLaunch changes a good launch into one refused by OCI.
type badLaunch struct {
	change func(*core.LaunchInstanceDetails)
	expect string
}

// badLaunches is the table of TestLaunchIsRefused; closed is a private subnet of
// the second availability domain.
func badLaunches(b *bench, closed core.Subnet) map[string]badLaunch {
	return map[string]badLaunch{
		"unknown availability domain": {func(d *core.LaunchInstanceDetails) { d.AvailabilityDomain = common.String("x:PHX-AD-1") }, "404 NotAuthorizedOrNotFound"},
		"unknown fault domain":        {func(d *core.LaunchInstanceDetails) { d.FaultDomain = common.String("FAULT-DOMAIN-9") }, "400 InvalidParameter"},
		"unknown compartment":         {func(d *core.LaunchInstanceDetails) { d.CompartmentId = common.String("ocid1.compartment.oc1..x") }, "404 NotAuthorizedOrNotFound"},
		"no shape":                    {func(d *core.LaunchInstanceDetails) { d.Shape = nil }, "400 MissingParameter"},
		"unknown shape":               {func(d *core.LaunchInstanceDetails) { d.Shape = common.String("VM.Nothing") }, "400 InvalidParameter"},
		"Flex shape without size":     {func(d *core.LaunchInstanceDetails) { d.ShapeConfig = nil }, "400 MissingParameter"},
		"Flex shape without OCPUs": {func(d *core.LaunchInstanceDetails) {
			d.ShapeConfig = &core.LaunchInstanceShapeConfigDetails{MemoryInGBs: common.Float32(6)}
		}, "400 MissingParameter"},
		"too many OCPUs":  {func(d *core.LaunchInstanceDetails) { d.ShapeConfig.Ocpus = common.Float32(81) }, "400 InvalidParameter"},
		"too much memory": {func(d *core.LaunchInstanceDetails) { d.ShapeConfig.MemoryInGBs = common.Float32(513) }, "400 InvalidParameter"},
		"size of a fixed shape": {func(d *core.LaunchInstanceDetails) {
			d.Shape, d.SourceDetails = common.String("VM.Standard.E2.1.Micro"), core.InstanceSourceViaImageDetails{ImageId: b.image("VM.Standard.E2.1.Micro")}
		}, "400 InvalidParameter"},
		"preemptible, of a shape that cannot be": {func(d *core.LaunchInstanceDetails) {
			d.Shape, d.ShapeConfig = common.String("VM.Standard.E2.1.Micro"), nil
			d.SourceDetails = core.InstanceSourceViaImageDetails{ImageId: b.image("VM.Standard.E2.1.Micro")}
			d.PreemptibleInstanceConfig = preemptible()
		}, "400 InvalidParameter"},
		"no image":              {func(d *core.LaunchInstanceDetails) { d.SourceDetails = nil }, "400 MissingParameter"},
		"what is not simulated": {func(d *core.LaunchInstanceDetails) { d.IpxeScript = common.String("#!ipxe") }, "400 CannotParseRequest"},
		"unknown image": {func(d *core.LaunchInstanceDetails) {
			d.SourceDetails = core.InstanceSourceViaImageDetails{ImageId: common.String("ocid1.image.x")}
		}, "404 NotAuthorizedOrNotFound"},
		"image of another architecture": {func(d *core.LaunchInstanceDetails) {
			d.SourceDetails = core.InstanceSourceViaImageDetails{ImageId: b.image("VM.Standard.E4.Flex")}
		}, "400 InvalidParameter"},
		"boot volume too small": {func(d *core.LaunchInstanceDetails) {
			d.SourceDetails = core.InstanceSourceViaImageDetails{ImageId: b.image("VM.Standard.A1.Flex"), BootVolumeSizeInGBs: common.Int64(20)}
		}, "400 InvalidParameter"},
		"no subnet":                             {func(d *core.LaunchInstanceDetails) { d.CreateVnicDetails = nil }, "400 MissingParameter"},
		"unknown subnet":                        {func(d *core.LaunchInstanceDetails) { d.CreateVnicDetails.SubnetId = common.String("ocid1.subnet.x") }, "400 RelatedResourceNotAuthorizedOrNotFound"},
		"subnet of another availability domain": {func(d *core.LaunchInstanceDetails) { d.CreateVnicDetails.SubnetId = closed.Id }, "400 InvalidParameter"},
		"public IP in a private subnet": {func(d *core.LaunchInstanceDetails) {
			d.AvailabilityDomain = b.domain(1)
			d.CreateVnicDetails = &core.CreateVnicDetails{SubnetId: closed.Id, AssignPublicIp: common.Bool(true)}
		}, "400 InvalidParameter"},
		"host name without DNS": {func(d *core.LaunchInstanceDetails) {
			d.AvailabilityDomain = b.domain(1)
			d.CreateVnicDetails = &core.CreateVnicDetails{SubnetId: closed.Id, HostnameLabel: common.String("node")}
		}, "400 InvalidParameter"},
		"unknown security group": {func(d *core.LaunchInstanceDetails) {
			d.CreateVnicDetails.NsgIds = []string{"ocid1.networksecuritygroup.x"}
		}, "400 RelatedResourceNotAuthorizedOrNotFound"},
		"user data not base64": {func(d *core.LaunchInstanceDetails) { d.Metadata = map[string]string{"user_data": "#cloud-config"} }, "400 InvalidParameter"},
		"too much metadata": {func(d *core.LaunchInstanceDetails) {
			d.Metadata = map[string]string{"user_data": base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", 24000)))}
		}, "400 InvalidParameter"},
		"device that is no device": {func(d *core.LaunchInstanceDetails) {
			d.LaunchVolumeAttachments = []core.LaunchAttachVolumeDetails{dataVolume("/dev/sdb")}
		}, "400 InvalidParameter"},
		"device used twice": {func(d *core.LaunchInstanceDetails) {
			d.LaunchVolumeAttachments = []core.LaunchAttachVolumeDetails{dataVolume("/dev/oracleoci/oraclevdb"), dataVolume("/dev/oracleoci/oraclevdb")}
		}, "400 InvalidParameter"},
		"unknown capacity reservation": {func(d *core.LaunchInstanceDetails) { d.CapacityReservationId = common.String("ocid1.x") }, "404 NotAuthorizedOrNotFound"},
	}
}

func preemptible() *core.PreemptibleInstanceConfigDetails {
	return &core.PreemptibleInstanceConfigDetails{PreemptionAction: core.TerminatePreemptionAction{PreserveBootVolume: common.Bool(false)}}
}

func dataVolume(device string) core.LaunchAttachVolumeDetails {
	return core.LaunchAttachParavirtualizedVolumeDetails{Device: common.String(device),
		LaunchCreateVolumeDetails: core.LaunchCreateVolumeFromAttributes{SizeInGBs: common.Int64(50), DisplayName: common.String("data")}}
}

func TestLaunchTakesWhatOCITakes(t *testing.T) {
	b := newBench(t)
	g := b.g
	details := b.launchDetails(b.subnet(b.vcn("10.0.0.0/16"), "10.0.0.0/24", "open"))
	details.FaultDomain = common.String("FAULT-DOMAIN-2")
	details.CreateVnicDetails.HostnameLabel = common.String("node-1")
	details.CreateVnicDetails.AssignPublicIp = common.Bool(true)
	details.LaunchVolumeAttachments = []core.LaunchAttachVolumeDetails{dataVolume("/dev/oracleoci/oraclevdb")}
	details.PreemptibleInstanceConfig = preemptible()
	details.InstanceOptions = &core.InstanceOptions{AreLegacyImdsEndpointsDisabled: common.Bool(true)}
	details.AvailabilityConfig = &core.LaunchInstanceAvailabilityConfigDetails{RecoveryAction: core.LaunchInstanceAvailabilityConfigDetailsRecoveryActionStopInstance}
	details.AgentConfig = &core.LaunchInstanceAgentConfigDetails{IsMonitoringDisabled: common.Bool(true)}
	details.IsPvEncryptionInTransitEnabled = common.Bool(true)
	details.LaunchOptions = &core.LaunchOptions{IsConsistentVolumeNamingEnabled: common.Bool(true), NetworkType: core.LaunchOptionsNetworkTypeParavirtualized}

	instance, err := b.launch(details)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(*instance.FaultDomain).To(Equal("FAULT-DOMAIN-2"))
	g.Expect(*instance.InstanceOptions.AreLegacyImdsEndpointsDisabled).To(BeTrue())
	g.Expect(instance.PreemptibleInstanceConfig).NotTo(BeNil())
	g.Expect(*instance.ShapeConfig.Ocpus).To(BeEquivalentTo(2))
	b.clock.Advance(step)
	attached, err := b.compute.ListVolumeAttachments(b.t.Context(), core.ListVolumeAttachmentsRequest{CompartmentId: b.compartment(), InstanceId: instance.Id})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(attached.Items).To(HaveLen(1))
	g.Expect(*attached.Items[0].GetDevice()).To(Equal("/dev/oracleoci/oraclevdb"))
	g.Expect(*attached.Items[0].GetIsVolumeCreatedDuringLaunch()).To(BeTrue())
	g.Expect(*attached.Items[0].GetIsPvEncryptionInTransitEnabled()).To(BeTrue())

	boot, err := b.compute.ListBootVolumeAttachments(b.t.Context(), core.ListBootVolumeAttachmentsRequest{CompartmentId: b.compartment(), AvailabilityDomain: b.domain(0), InstanceId: instance.Id})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(boot.Items).To(HaveLen(1))
	g.Expect(*boot.Items[0].IsPvEncryptionInTransitEnabled).To(BeTrue())
}

func TestWhereTheLaunchDoesNotFit(t *testing.T) {
	a1 := sim.CapacityKey{Shape: "VM.Standard.A1.Flex"}
	for name, world := range map[string]struct {
		prepare func(*bench)
		expect  string
		message string
	}{
		"no hosts":        {func(b *bench) { b.g.Expect(b.sim.SetCapacity("one", a1, 0)).To(Succeed()) }, "500 InternalError", "Out of host capacity."},
		"no limit left":   {func(b *bench) { b.g.Expect(b.sim.SetLimit("one", "standard-a1-core-count", 1)).To(Succeed()) }, "400 LimitExceeded", "standard-a1-core-count"},
		"no memory left":  {func(b *bench) { b.g.Expect(b.sim.SetLimit("one", "standard-a1-memory-count", 11)).To(Succeed()) }, "400 LimitExceeded", "standard-a1-memory-count"},
		"no storage left": {func(b *bench) { b.g.Expect(b.sim.SetLimit("one", "total-storage-gb", 40)).To(Succeed()) }, "400 LimitExceeded", "total-storage-gb"},
		"no quota left": {func(b *bench) {
			b.g.Expect(b.sim.SetQuota("one", *b.compartment(), "standard-a1-core-count", 1)).To(Succeed())
		}, "400 QuotaExceeded", "standard-a1-core-count"},
		"too many in time": {func(b *bench) {
			b.g.Expect(b.sim.SetRequestRate("one", 0.001, 1)).To(Succeed())
			_, _ = b.identity.ListRegions(b.t.Context())
		}, "429 TooManyRequests", ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			details := b.launchDetails(b.subnet(b.vcn("10.0.0.0/16"), "10.0.0.0/24", "open"))
			world.prepare(b)
			_, err := b.launch(details)
			b.g.Expect(refusal(err)).To(Equal(world.expect))
			b.g.Expect(err.Error()).To(ContainSubstring(world.message))
		})
	}
}

func TestLimitsAndQuotasCountInEachAvailabilityDomain(t *testing.T) {
	for name, bound := range map[string]func(*bench){
		"400 LimitExceeded": func(b *bench) { b.g.Expect(b.sim.SetLimit("one", "standard-a1-core-count", 2)).To(Succeed()) },
		"400 QuotaExceeded": func(b *bench) {
			b.g.Expect(b.sim.SetQuota("one", *b.compartment(), "standard-a1-core-count", 2)).To(Succeed())
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, func(_ *sim.Options, tenancy *sim.Tenancy) { tenancy.ADs = 3 })
			details := b.launchDetails(b.subnet(b.vcn("10.0.0.0/16"), "10.0.0.0/24", "open"))
			bound(b)
			_, err := b.launch(details)
			b.g.Expect(err).NotTo(HaveOccurred())
			_, err = b.launch(details)
			b.g.Expect(refusal(err)).To(Equal(name))
			details.AvailabilityDomain = b.domain(1)
			_, err = b.launch(details)
			b.g.Expect(err).NotTo(HaveOccurred())
			for domain := range 2 {
				left, err := b.limits.GetResourceAvailability(b.t.Context(), limits.GetResourceAvailabilityRequest{CompartmentId: b.compartment(),
					ServiceName: common.String("compute"), LimitName: common.String("standard-a1-core-count"), AvailabilityDomain: b.domain(domain)})
				b.g.Expect(err).NotTo(HaveOccurred())
				b.g.Expect([]int64{*left.Used, *left.Available}).To(Equal([]int64{2, 0}))
			}
		})
	}
}

func TestCapacityIsPerFaultDomain(t *testing.T) {
	b := newBench(t)
	details := b.launchDetails(b.subnet(b.vcn("10.0.0.0/16"), "10.0.0.0/24", "open"))
	b.g.Expect(b.sim.SetCapacity("one", sim.CapacityKey{FaultDomain: "FAULT-DOMAIN-1"}, 0)).To(Succeed())
	b.g.Expect(b.sim.SetCapacity("one", sim.CapacityKey{FaultDomain: "FAULT-DOMAIN-2"}, 1)).To(Succeed())
	b.g.Expect(b.sim.SetCapacity("one", sim.CapacityKey{FaultDomain: "FAULT-DOMAIN-3"}, 1)).To(Succeed())

	details.FaultDomain = common.String("FAULT-DOMAIN-1")
	_, err := b.launch(details)
	b.g.Expect(refusal(err)).To(Equal("500 InternalError"))
	details.FaultDomain = nil
	for _, expected := range []string{"FAULT-DOMAIN-2", "FAULT-DOMAIN-3"} {
		instance, err := b.launch(details)
		b.g.Expect(err).NotTo(HaveOccurred())
		b.g.Expect(*instance.FaultDomain).To(Equal(expected))
	}
	_, err = b.launch(details)
	b.g.Expect(refusal(err)).To(Equal("500 InternalError"))
}

func TestAcceptedLaunchCanFailInItsWorkRequest(t *testing.T) {
	b := newBench(t)
	details := b.launchDetails(b.subnet(b.vcn("10.0.0.0/16"), "10.0.0.0/24", "open"))
	b.sim.AddFault(sim.Fault{Operation: "LaunchInstance", WorkRequestFails: true, Code: "InternalError", Message: "Out of host capacity."})
	response, err := b.compute.LaunchInstance(b.t.Context(), core.LaunchInstanceRequest{LaunchInstanceDetails: details})
	b.g.Expect(err).NotTo(HaveOccurred())
	b.clock.Advance(step)
	b.g.Expect(b.instanceState(response.Id)).To(Equal(core.InstanceLifecycleStateTerminated))
	work, err := b.work.GetWorkRequest(b.t.Context(), workrequests.GetWorkRequestRequest{WorkRequestId: response.OpcWorkRequestId})
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(work.Status).To(Equal(workrequests.WorkRequestStatusFailed))
	reasons, err := b.work.ListWorkRequestErrors(b.t.Context(), workrequests.ListWorkRequestErrorsRequest{WorkRequestId: response.OpcWorkRequestId})
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(*reasons.Items[0].Message).To(Equal("Out of host capacity."))
}

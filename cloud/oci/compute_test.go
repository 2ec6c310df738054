// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci_test

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
)

const attachments = `[{"id":"a1","instanceId":"i","lifecycleState":"DETACHED","vnicId":"v1"},
	{"id":"a2","instanceId":"i","lifecycleState":"ATTACHED","vnicId":"v2"},
	{"id":"a3","instanceId":"i","lifecycleState":"ATTACHED","vnicId":"v3"}]`

// primaryVNIC looks for an instance's VNIC as the poller does.
func primaryVNIC(t *testing.T, f *fake) (oci.VNIC, bool, error) {
	t.Helper()
	c := newClient(t, f)
	attached, err := c.AttachedVNICs(context.Background(), instanceID)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return c.PrimaryVNIC(context.Background(), attached["i"])
}

func TestPrimaryVNIC(t *testing.T) {
	g := NewWithT(t)
	f := newFake(t)
	f.on("GET /20160918/vnicAttachments", answer(200, attachments))
	f.on("GET /20160918/vnics/v2", answer(200, `{"id":"v2","isPrimary":false}`))
	f.on("GET /20160918/vnics/v3", answer(200, `{"id":"v3","isPrimary":true,"privateIp":"10.0.0.5","publicIp":"192.0.2.7","subnetId":"s"}`))

	vnic, found, err := primaryVNIC(t, f)

	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(BeTrue())
	g.Expect(vnic.PrivateIP.String()).To(Equal("10.0.0.5"))
	g.Expect(vnic.PublicIP.String()).To(Equal("192.0.2.7"))
	g.Expect(vnic.SubnetID).To(Equal("s"))
}

func TestNoPrimaryVNICYet(t *testing.T) {
	g := NewWithT(t)
	f := newFake(t)
	f.on("GET /20160918/vnicAttachments", answer(200, `[]`))

	_, found, err := primaryVNIC(t, f)

	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(BeFalse())
}

func TestVNICsThatMayNotBeSeenAreNoAbsence(t *testing.T) {
	g := NewWithT(t)
	f := newFake(t)
	gone := answer(404, `{"code":"NotAuthorizedOrNotFound","message":"x"}`)
	f.on("GET /20160918/vnicAttachments", answer(200, attachments))
	f.on("GET /20160918/vnics/v2", gone)
	f.on("GET /20160918/vnics/v3", gone)

	_, found, err := primaryVNIC(t, f)

	g.Expect(cloud.KindOf(err)).To(Equal(cloud.NotFoundOrUnauthorized))
	g.Expect(found).To(BeFalse())
}

func TestShapes(t *testing.T) {
	g := NewWithT(t)
	f := newFake(t)
	f.on("GET /20160918/shapes", answer(200, `[
		{"shape":"VM.Standard.A1.Flex","isFlexible":true,"processorDescription":"3.0 GHz Ampere® Altra™","ocpus":1,"memoryInGBs":6,
		 "ocpuOptions":{"min":1,"max":80},"memoryOptions":{"minInGBs":1,"maxInGBs":512,"minPerOcpuInGBs":1,"maxPerOcpuInGBs":64}},
		{"shape":"VM.Standard.E2.1.Micro","processorDescription":"2.0 GHz AMD EPYC™ 7551 (Naples)","ocpus":1,"memoryInGBs":1}]`))

	shapes, err := newClient(t, f).Shapes(context.Background(), "AD-1")

	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(shapes).To(Equal([]oci.Shape{
		{
			Name: "VM.Standard.A1.Flex", Flexible: true, OCPUs: 1, MemoryGB: 6, MinOCPUs: 1, MaxOCPUs: 80, MinMemoryGB: 1,
			MaxMemoryGB: 512, MinMemoryPerOCPU: 1, MaxMemoryPerOCPU: 64, Processor: "3.0 GHz Ampere® Altra™", Architecture: "arm64",
		},
		{
			Name: "VM.Standard.E2.1.Micro", OCPUs: 1, MemoryGB: 1, Processor: "2.0 GHz AMD EPYC™ 7551 (Naples)",
			Architecture: "amd64",
		},
	}))
	g.Expect(f.seen()[0].query).To(HaveKeyWithValue("availabilityDomain", []string{"AD-1"}))
}

func TestImages(t *testing.T) {
	g := NewWithT(t)
	f := newFake(t)
	f.on("GET /20160918/images", answer(200, `[{"id":"i1","displayName":"Canonical-Ubuntu-24.04-aarch64-2026.01.01-0",
		"operatingSystem":"Canonical Ubuntu","operatingSystemVersion":"24.04","lifecycleState":"AVAILABLE"}]`))

	images, err := newClient(t, f).Images(context.Background(), oci.ImageFilter{
		OperatingSystem: "Canonical Ubuntu", OperatingSystemVersion: "24.04", Shape: "VM.Standard.A1.Flex",
	})

	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(images).To(HaveLen(1))
	g.Expect(images[0].OperatingSystemVersion).To(Equal("24.04"))
	query := f.seen()[0].query
	g.Expect(query).To(HaveKeyWithValue("sortBy", []string{"TIMECREATED"}))
	g.Expect(query).To(HaveKeyWithValue("sortOrder", []string{"DESC"}))
	g.Expect(query).To(HaveKeyWithValue("shape", []string{"VM.Standard.A1.Flex"}))
	g.Expect(query).NotTo(HaveKey("displayName"))
}

func TestImageCompatibility(t *testing.T) {
	g := NewWithT(t)
	f := newFake(t)
	f.on("GET /20160918/images/i1/shapes", answer(200, `[{"imageId":"i1","shape":"VM.Standard.A1.Flex"}]`))
	client := newClient(t, f)

	g.Expect(client.ImageCompatibleWithShape(context.Background(), "i1", "VM.Standard.A1.Flex")).To(BeTrue())
	g.Expect(client.ImageCompatibleWithShape(context.Background(), "i1", "VM.Standard.E4.Flex")).To(BeFalse())
}

func TestAvailabilityDomainsHaveTheirFaultDomains(t *testing.T) {
	g := NewWithT(t)
	f := newFake(t)
	f.on("GET /20160918/availabilityDomains", answer(200, `[{"name":"x:AD-1"}]`))
	f.on("GET /20160918/faultDomains", answer(200, `[{"name":"FAULT-DOMAIN-1"},{"name":"FAULT-DOMAIN-2"}]`))

	domains, err := newClient(t, f).AvailabilityDomains(context.Background())

	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(domains).To(Equal([]oci.AvailabilityDomain{
		{Name: "x:AD-1", FaultDomains: []string{"FAULT-DOMAIN-1", "FAULT-DOMAIN-2"}},
	}))
	g.Expect(f.seen()[1].query).To(HaveKeyWithValue("availabilityDomain", []string{"x:AD-1"}))
}

func TestRegionSubscriptions(t *testing.T) {
	g := NewWithT(t)
	f := newFake(t)
	f.on("GET /20160918/tenancies/"+tenancyID+"/regionSubscriptions", answer(200,
		`[{"regionName":"eu-frankfurt-1","isHomeRegion":true,"status":"READY"},{"regionName":"uk-london-1","status":"IN_PROGRESS"}]`))

	g.Expect(newClient(t, f).RegionSubscriptions(context.Background())).To(Equal([]oci.RegionSubscription{
		{Name: "eu-frankfurt-1", Home: true, Ready: true}, {Name: "uk-london-1"},
	}))
}

func TestProbeNeedsInstancesAndNetworks(t *testing.T) {
	g := NewWithT(t)
	f := newFake(t)
	client := newClient(t, f)
	f.on("GET /20160918/instances", answer(200, `[]`, "Opc-Next-Page", "more"))
	f.on("GET /20160918/vcns", answer(404, `{"code":"NotAuthorizedOrNotFound","message":"x"}`))

	g.Expect(cloud.KindOf(client.ProbeCompartment(context.Background()))).To(Equal(cloud.NotFoundOrUnauthorized))

	f.on("GET /20160918/vcns", answer(200, `[]`))
	g.Expect(client.ProbeCompartment(context.Background())).To(Succeed())
	g.Expect(f.seen()).To(HaveLen(4), "one page of each is enough")
}

func TestLimits(t *testing.T) {
	g := NewWithT(t)
	f := newFake(t)
	f.on("GET /20190729/limitValues", answer(200, `[{"name":"standard-a1-core-count","scopeType":"AD","availabilityDomain":"AD-1","value":4}]`))
	f.on("GET /20190729/services/compute/limits/standard-a1-core-count/resourceAvailability", answer(200, `{"used":1,"available":3}`))
	client := newClient(t, f)

	g.Expect(client.LimitValues(context.Background(), "compute")).To(Equal([]oci.LimitValue{
		{Name: "standard-a1-core-count", AvailabilityDomain: "AD-1", Value: 4},
	}))
	g.Expect(client.ResourceAvailability(context.Background(), "compute", "standard-a1-core-count", "AD-1")).To(
		Equal(oci.ResourceAvailability{Known: true, Used: 1, Available: 3}))
	g.Expect(f.seen()[0].query).To(HaveKeyWithValue("compartmentId", []string{tenancyID}))
	g.Expect(f.seen()[1].query).To(HaveKeyWithValue("compartmentId", []string{compartmentID}))
}

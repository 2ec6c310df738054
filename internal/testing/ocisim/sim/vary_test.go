// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package sim_test

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

func TestASeedVariesWhatOCIMayAnswerAndNothingElse(t *testing.T) {
	seen := map[string]int{}
	for seed := range uint64(10) {
		b := newBench(t, func(options *sim.Options, _ *sim.Tenancy) { options.Seed, options.PageSize = seed, 0 })
		b.g.Expect(seenBy(b)).To(Equal(seenBy(b)), "the same seed")
		for _, what := range seenBy(b) {
			seen[what]++
		}
		vcn := b.vcn("10.0.0.0/16")
		_, err := b.network.DeleteVcn(t.Context(), core.DeleteVcnRequest{VcnId: vcn.Id})
		b.g.Expect(err).NotTo(HaveOccurred())
		b.clock.Advance(step)
		got, err := b.network.GetVcn(t.Context(), core.GetVcnRequest{VcnId: vcn.Id})
		if err == nil {
			b.g.Expect(got.LifecycleState).To(Equal(core.VcnLifecycleStateTerminated))
			seen["gone with 200"]++
			continue
		}
		b.g.Expect(refusal(err)).To(Equal("404 NotAuthorizedOrNotFound"))
		seen["gone with 404"]++
	}
	for _, what := range []string{"gone with 200", "gone with 404", "a full page", "a short page", "an empty last page"} {
		NewWithT(t).Expect(seen[what]).To(BeNumerically(">", 0), what)
	}
}

// seenBy lists images, of which there are more than one page, and says what the pages were like.
func seenBy(b *bench) []string {
	var seen []string
	known := map[string]bool{}
	request := core.ListImagesRequest{CompartmentId: b.compartment(), Limit: common.Int(7)}
	for {
		page, err := b.compute.ListImages(b.t.Context(), request)
		b.g.Expect(err).NotTo(HaveOccurred())
		for _, image := range page.Items {
			b.g.Expect(known[*image.Id]).To(BeFalse(), "an image on two pages")
			known[*image.Id] = true
		}
		switch {
		case len(page.Items) == 0:
			seen = append(seen, "an empty last page")
		case len(page.Items) == 7:
			seen = append(seen, "a full page")
		case page.OpcNextPage != nil:
			seen = append(seen, "a short page")
		}
		if page.OpcNextPage == nil {
			b.g.Expect(known).To(HaveLen(24))
			return seen
		}
		request.Page = page.OpcNextPage
	}
}

func TestMalformedIdentifiersAreRefusedByComputeAndNotFoundByNetworks(t *testing.T) {
	b := newBench(t)
	_, err := b.compute.GetInstance(t.Context(), core.GetInstanceRequest{InstanceId: common.String("not-an-ocid")})
	b.g.Expect(refusal(err)).To(Equal("400 InvalidParameter"))
	_, err = b.storage.GetVolume(t.Context(), core.GetVolumeRequest{VolumeId: common.String("not-an-ocid")})
	b.g.Expect(refusal(err)).To(Equal("400 InvalidParameter"))
	_, err = b.network.GetVcn(t.Context(), core.GetVcnRequest{VcnId: common.String("not-an-ocid")})
	b.g.Expect(refusal(err)).To(Equal("404 NotAuthorizedOrNotFound"))
}

func TestTerminatedVolumesStayListedAndCanBeFilteredOut(t *testing.T) {
	b := newBench(t)
	create := func() *string {
		made, err := b.storage.CreateVolume(t.Context(), core.CreateVolumeRequest{CreateVolumeDetails: core.CreateVolumeDetails{
			CompartmentId: b.compartment(), AvailabilityDomain: b.domain(0),
		}})
		b.g.Expect(err).NotTo(HaveOccurred())
		b.clock.Advance(step)
		return made.Id
	}
	for range 3 {
		_, err := b.storage.DeleteVolume(t.Context(), core.DeleteVolumeRequest{VolumeId: create()})
		b.g.Expect(err).NotTo(HaveOccurred())
	}
	kept := create()
	b.clock.Advance(testDelays().Retention * 2)
	for state, want := range map[core.VolumeLifecycleStateEnum]int{"": 4, core.VolumeLifecycleStateTerminated: 3, core.VolumeLifecycleStateAvailable: 1} {
		listed, err := b.storage.ListVolumes(t.Context(), core.ListVolumesRequest{CompartmentId: b.compartment(), LifecycleState: state})
		b.g.Expect(err).NotTo(HaveOccurred())
		b.g.Expect(listed.Items).To(HaveLen(want), fmt.Sprint(state))
		if want == 1 {
			b.g.Expect(listed.Items[0].Id).To(Equal(kept))
		}
	}
}

func TestWhatOtherPeopleHaveIsThereAndWatched(t *testing.T) {
	b := newBench(t, func(_ *sim.Options, tenancy *sim.Tenancy) { tenancy.Inhabited = true })
	left, err := b.sim.Leftovers("one")
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(left).To(BeEmpty(), "it is nobody's to remove")
	listed, err := b.compute.ListInstances(t.Context(), core.ListInstancesRequest{CompartmentId: b.compartment()})
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(listed.Items).To(HaveLen(1))
	b.g.Expect(b.sim.Touched("one")).To(BeEmpty())
	_, err = b.compute.TerminateInstance(t.Context(), core.TerminateInstanceRequest{InstanceId: listed.Items[0].Id})
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(b.sim.Touched("one")).To(HaveLen(1))
}

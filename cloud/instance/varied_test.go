// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package instance_test

import (
	"net/netip"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/varied"
)

const (
	patience = time.Minute
	flexible = "VM.Standard.A1.Flex"
)

// userKey is the key of all users: to make one takes longer than most tests.
var userKey = sync.OnceValues(sim.NewKey)

// newClient acts in an account that other people use as well.
func newClient(t *testing.T, seed uint64) (*oci.Client, *sim.Sim, *sim.Tenancy) {
	t.Helper()
	g := NewWithT(t)
	tenancy := sim.NewTenancy("one")
	tenancy.Inhabited = true
	key, err := userKey()
	g.Expect(err).NotTo(HaveOccurred())
	user, err := tenancy.NewUserWith(key)
	g.Expect(err).NotTo(HaveOccurred())
	const short = 5 * time.Millisecond
	simulator, err := sim.New(sim.Options{Tenancies: []*sim.Tenancy{tenancy}, PageSize: 3, Seed: seed, Delays: &sim.Delays{
		Provision: short, Start: short, Stop: short, Terminate: short, Network: short, Volume: short, Retention: time.Minute,
	}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(simulator.Start("127.0.0.1:0")).To(Succeed())
	t.Cleanup(func() { _ = simulator.Close() })
	c, err := oci.NewClient(oci.Config{
		Region: user.Region, CompartmentID: tenancy.Compartment(), Endpoint: simulator.URL(), Limits: oci.Unlimited(),
		Principal: oci.Principal{Type: oci.UserPrincipalType, User: oci.UserPrincipal{
			TenancyID: user.TenancyOCID, UserID: user.UserOCID, Fingerprint: user.Fingerprint, PrivateKeyPEM: []byte(user.PrivateKeyPEM),
		}},
	})
	g.Expect(err).NotTo(HaveOccurred())
	return c, simulator, tenancy
}

func launched(t *testing.T, c *oci.Client, tenancy *sim.Tenancy, owner ownership.Owner) oci.Instance {
	t.Helper()
	g := NewWithT(t)
	cidr := netip.MustParsePrefix("10.0.0.0/24")
	vcn, err := c.CreateVCN(t.Context(), oci.VCNSpec{DisplayName: "net", CIDRs: []netip.Prefix{cidr}})
	g.Expect(err).NotTo(HaveOccurred())
	subnet, err := c.CreateSubnet(t.Context(), oci.SubnetSpec{VCNID: vcn.ID, DisplayName: "net", CIDR: cidr})
	g.Expect(err).NotTo(HaveOccurred())
	images, err := c.Images(t.Context(), oci.ImageFilter{Shape: flexible, Platform: true})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(images).NotTo(BeEmpty())
	spec := oci.LaunchSpec{
		DisplayName: "worker", AvailabilityDomain: tenancy.AvailabilityDomains()[0], Shape: flexible, OCPUs: 1, MemoryGB: 6,
		ImageID: images[0].ID, SubnetID: subnet.ID, Tags: owner.Tags(), RetryToken: "token",
		DataVolumes: []oci.LaunchVolume{{DisplayName: "data-0", VolumeSize: oci.VolumeSize{GB: 50}}},
	}
	var made oci.Instance
	g.Eventually(func() (err error) { made, err = c.LaunchInstance(t.Context(), spec); return err }, patience, time.Millisecond).Should(Succeed())
	return made
}

func TestTheLifeOfAnInstanceWhateverOCIAnswers(t *testing.T) {
	varied.Run(t, 3, func(t *testing.T, seed uint64) {
		g := NewWithT(t)
		c, simulator, tenancy := newClient(t, seed)
		owner := ownership.Machine("uid-1", "ns", "worker")
		made := launched(t, c, tenancy, owner)
		var own ownership.Proof
		g.Eventually(func(g Gomega) {
			all, err := c.ListInstances(t.Context())
			g.Expect(err).NotTo(HaveOccurred())
			remaining := instance.Remaining(owner, all)
			g.Expect(remaining).To(HaveLen(1))
			g.Expect(remaining[0].State).To(Equal(oci.StateRunning))
			own = remaining[0].Proof
		}, patience, time.Millisecond).Should(Succeed())
		leaving, err := instance.Leaving(t.Context(), c, own, []string{"data-0"}, time.Now(), 0)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(leaving).To(HaveLen(1), "the volume of the same name of somebody else stays")
		g.Eventually(func(g Gomega) bool {
			removal, err := instance.Remove(t.Context(), c, own)
			g.Expect(err).NotTo(HaveOccurred())
			return removal.Gone
		}, patience, time.Millisecond).Should(BeTrue())
		volumes := instance.Volumes{Instance: own, AvailabilityDomain: made.AvailabilityDomain, GoneSince: time.Now()}
		for _, id := range leaving {
			volumes.Data = append(volumes.Data, own.Part(id))
		}
		g.Eventually(func() (bool, error) { return instance.RemoveVolumes(t.Context(), c, volumes) }, patience, time.Millisecond).Should(BeTrue())
		left, err := simulator.Leftovers("one")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(left).To(HaveLen(2), "the network")
		g.Expect(simulator.Touched("one")).To(BeEmpty())
		_, exists, err := instance.Observe(t.Context(), c, "not-an-ocid")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(exists).To(BeFalse())
	})
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/model"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

const (
	arm = "VM.Standard.A1.Flex"
	x86 = "VM.Standard.E5.Flex"
)

var (
	goldenArm = model.NewOCID("image", "iad")
	goldenX86 = model.NewOCID("image", "iad")
)

// newClient acts in a simulated account with the platform images and a custom one for each
// architecture.
func newClient(t *testing.T) (*oci.Client, *sim.Sim) {
	t.Helper()
	g := NewWithT(t)
	tenancy := sim.NewTenancy("alice")
	user, err := tenancy.NewUser()
	g.Expect(err).NotTo(HaveOccurred())
	tenancy.Images = append(model.DefaultImages(),
		sim.ImageSpec{Name: "golden-arm", OperatingSystem: "Canonical Ubuntu", OperatingSystemVersion: "24.04", Arch: "arm64",
			Compartment: tenancy.Compartment(), OCID: goldenArm, Created: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)},
		sim.ImageSpec{Name: "golden-x86", OperatingSystem: "Canonical Ubuntu", OperatingSystemVersion: "24.04", Arch: "amd64",
			Compartment: tenancy.Compartment(), OCID: goldenX86, Created: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)},
		// A system that only a custom image has.
		sim.ImageSpec{Name: "plan9-backup", OperatingSystem: "Plan 9", OperatingSystemVersion: "4", Arch: "arm64",
			Compartment: tenancy.Compartment()},
	)
	simulator, err := sim.New(sim.Options{Tenancies: []*sim.Tenancy{tenancy}, PageSize: 3})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(simulator.Start("127.0.0.1:0")).To(Succeed())
	t.Cleanup(func() { _ = simulator.Close() })
	c, err := oci.NewClient(oci.Config{
		AccountName: "alice", Region: user.Region, CompartmentID: tenancy.Compartment(), Endpoint: simulator.URL(),
		Principal: oci.Principal{Type: oci.UserPrincipalType, User: oci.UserPrincipal{
			TenancyID: user.TenancyOCID, UserID: user.UserOCID, Fingerprint: user.Fingerprint, PrivateKeyPEM: []byte(user.PrivateKeyPEM),
		}},
	})
	g.Expect(err).NotTo(HaveOccurred())
	return c, simulator
}

func ubuntu(version string) infrav1.Image {
	return infrav1.Image{Platform: infrav1.PlatformImage{OperatingSystem: "Canonical Ubuntu", Version: version}}
}

func TestTheImageIsFoundForTheShape(t *testing.T) {
	g := NewWithT(t)
	c, _ := newClient(t)
	for name, world := range map[string]struct {
		image infrav1.Image
		shape string
		want  string
	}{
		"by OCID":                       {infrav1.Image{ID: goldenArm}, arm, "golden-arm"},
		"by name":                       {infrav1.Image{Name: "golden-x86"}, x86, "golden-x86"},
		"the newest platform image":     {ubuntu("22.04"), x86, "Canonical-Ubuntu-22.04-2026.09.30-0"},
		"of the architecture it is for": {ubuntu("22.04"), arm, "Canonical-Ubuntu-22.04-aarch64-2026.09.30-0"},
		// The custom images are newer.
		"of Oracle's, not of somebody's backups": {ubuntu("24.04"), arm, "Canonical-Ubuntu-24.04-aarch64-2026.09.30-0"},
	} {
		id, err := Find(t.Context(), c, Query{Image: world.image, Shape: world.shape})
		g.Expect(err).NotTo(HaveOccurred(), name)
		found, err := c.Image(t.Context(), id)
		g.Expect(err).NotTo(HaveOccurred(), name)
		g.Expect(found.DisplayName).To(Equal(world.want), name)
	}
}

func TestWhyThereIsNoImage(t *testing.T) {
	g := NewWithT(t)
	c, _ := newClient(t)
	unknown := model.NewOCID("image", "iad")
	for name, world := range map[string]struct {
		query Query
		want  error
	}{
		"no such OCID":    {Query{Image: infrav1.Image{ID: unknown}, Shape: arm}, &NotFoundError{Image: unknown}},
		"not an OCID":     {Query{Image: infrav1.Image{ID: "ocid1.image../x"}, Shape: arm}, &NotFoundError{Image: "ocid1.image../x"}},
		"no such name":    {Query{Image: infrav1.Image{Name: "silver"}, Shape: arm}, &NotFoundError{Image: `"silver"`}},
		"no such version": {Query{Image: ubuntu("99.04"), Shape: arm}, &NotFoundError{Image: "Canonical Ubuntu 99.04", Platform: true}},
		"only a custom one": {
			Query{Image: infrav1.Image{Platform: infrav1.PlatformImage{OperatingSystem: "Plan 9", Version: "4"}}, Shape: arm},
			&NotFoundError{Image: "Plan 9 4", Platform: true},
		},
		"wrong architecture": {Query{Image: infrav1.Image{Name: "golden-x86"}, Shape: arm}, &MismatchError{Image: `"golden-x86"`, Shape: arm}},
		"wrong architecture, by OCID": {
			Query{Image: infrav1.Image{ID: goldenX86}, Shape: arm}, &MismatchError{Image: goldenX86, Shape: arm},
		},
		"no such shape":          {Query{Image: ubuntu("24.04"), Shape: "VM.Z9"}, &ShapeNotFoundError{Shape: "VM.Z9"}},
		"no such shape, by OCID": {Query{Image: infrav1.Image{ID: goldenX86}, Shape: "VM.Z9"}, &ShapeNotFoundError{Shape: "VM.Z9"}},
	} {
		_, err := Find(t.Context(), c, world.query)
		g.Expect(err).To(Equal(world.want), name)
		g.Expect(err.Error()).To(ContainSubstring("fix spec."), name)
	}
}

// oneDomain has shapes in the availability domain AD-1 only.
type oneDomain struct{ *oci.Client }

func (c oneDomain) Shapes(ctx context.Context, availabilityDomain string) ([]oci.Shape, error) {
	if availabilityDomain != "AD-1" {
		return nil, nil
	}
	return c.Client.Shapes(ctx, "")
}

func TestAnImageForAShapeThatTheAvailabilityDomainDoesNotHave(t *testing.T) {
	g := NewWithT(t)
	c, _ := newClient(t)
	for name, image := range map[string]infrav1.Image{"by OCID": {ID: goldenArm}, "platform": ubuntu("24.04")} {
		_, err := Find(t.Context(), oneDomain{c}, Query{Image: image, Shape: arm, AvailabilityDomain: "AD-1"})
		g.Expect(err).NotTo(HaveOccurred(), name)
		_, err = Find(t.Context(), oneDomain{c}, Query{Image: image, Shape: arm, AvailabilityDomain: "AD-2"})
		g.Expect(err).To(Equal(&ShapeNotFoundError{Shape: arm, AvailabilityDomain: "AD-2"}), name)
	}
}

func TestAnAccountThatDoesNotAnswerIsNoAccountWithoutTheImage(t *testing.T) {
	for _, operation := range []string{"ListImages", "GetImage", "ListImageShapeCompatibilityEntries", "ListShapes"} {
		t.Run(operation, func(t *testing.T) {
			g := NewWithT(t)
			c, simulator := newClient(t)
			simulator.AddFault(sim.Fault{Operation: operation, Status: 503, Code: "ServiceUnavailable"})
			query := Query{Image: infrav1.Image{ID: goldenX86}, Shape: arm}
			if operation == "ListImages" {
				query.Image = ubuntu("24.04")
			}
			_, err := Find(t.Context(), c, query)
			g.Expect(cloud.KindOf(err)).To(Equal(cloud.Unavailable), "%v", err)
		})
	}
}

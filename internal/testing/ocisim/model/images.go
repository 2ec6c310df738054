// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"fmt"
	"slices"
	"time"
)

// ImageSpec describes an image to offer.
type ImageSpec struct {
	// Name is the display name, as Canonical-Ubuntu-24.04-aarch64-2026.09.30-0.
	Name                   string
	OperatingSystem        string
	OperatingSystemVersion string
	// Arch is amd64 or arm64.
	Arch    string
	Created time.Time
	// Compartment owns a custom image; empty means a platform image, shown by every compartment.
	Compartment string
	// OCID is made up when empty.
	OCID string
}

// Image is OCI's Image object.
type Image struct {
	Meta
	OperatingSystem        string `json:"operatingSystem"`
	OperatingSystemVersion string `json:"operatingSystemVersion"`
	CreateImageAllowed     bool   `json:"createImageAllowed"`
	LaunchMode             string `json:"launchMode"`
	SizeInMBs              int64  `json:"sizeInMBs"`

	arch string
}

// ImageShape is a shape able to run an image.
type ImageShape struct {
	ImageID string `json:"imageId"`
	Shape   string `json:"shape"`
}

// DefaultImages returns platform images of three dates each, named as Oracle
// names them: Canonical-Ubuntu-24.04-2026.09.30-0 for amd64, with -aarch64
// before the date for arm64.
func DefaultImages() []ImageSpec {
	dates := []time.Time{
		time.Date(2026, 6, 30, 0, 0, 0, 0, time.UTC),
		time.Date(2026, 8, 31, 0, 0, 0, 0, time.UTC),
		time.Date(2026, 9, 30, 0, 0, 0, 0, time.UTC),
	}
	systems := []struct{ prefix, system, version string }{
		{"Canonical-Ubuntu-22.04", "Canonical Ubuntu", "22.04"},
		{"Canonical-Ubuntu-24.04", "Canonical Ubuntu", "24.04"},
		{"Oracle-Linux-8.10", "Oracle Linux", "8"},
		{"Oracle-Linux-9.6", "Oracle Linux", "9"},
	}
	var specs []ImageSpec
	for _, date := range dates {
		for _, system := range systems {
			for _, arch := range []string{"amd64", "arm64"} {
				name := system.prefix
				if arch == "arm64" {
					name += "-aarch64"
				}
				specs = append(specs, ImageSpec{
					Name:            fmt.Sprintf("%s-%s-0", name, date.Format("2006.01.02")),
					OperatingSystem: system.system, OperatingSystemVersion: system.version, Arch: arch, Created: date,
				})
			}
		}
	}
	return specs
}

func (s *State) newImage(spec ImageSpec) *Image {
	image := &Image{
		Meta:            s.newMeta("image", spec.Compartment, spec.Name, Tags{}),
		OperatingSystem: spec.OperatingSystem, OperatingSystemVersion: spec.OperatingSystemVersion,
		CreateImageAllowed: true, LaunchMode: "PARAVIRTUALIZED", SizeInMBs: 47694, arch: spec.Arch,
	}
	image.LifecycleState = StateAvailable
	image.TimeCreated = spec.Created
	if spec.OCID != "" {
		image.ID = spec.OCID
	}
	return image
}

// image finds an image usable by the tenancy; platform images belong to no compartment.
func (s *State) image(id string) (*Image, error) {
	image, ok := s.items[id].(*Image)
	if !ok {
		return nil, ErrNotFound()
	}
	return image, nil
}

// GetImage describes an image.
func (s *State) GetImage(caller *User, id string) (*Image, error) {
	image, err := s.image(id)
	if err != nil || (image.CompartmentID != "" && !caller.may(image.CompartmentID)) {
		return nil, ErrNotFound()
	}
	return image, nil
}

// ImageQuery filters ListImages.
type ImageQuery struct {
	ListQuery
	OperatingSystem        string
	OperatingSystemVersion string
	Shape                  string
}

// imageStates are the life cycle states for narrowing a list (core/image.go of oci-go-sdk).
var imageStates = []string{"PROVISIONING", "IMPORTING", "AVAILABLE", "EXPORTING", "DISABLED", "DELETED"}

// ListImages lists platform images and the compartment's own.
func (s *State) ListImages(caller *User, query ImageQuery) ([]*Image, string, error) {
	if query.CompartmentID == "" {
		return nil, "", ErrMissing("compartmentId")
	}
	if err := s.readable(caller, query.CompartmentID); err != nil {
		return nil, "", err
	}
	if query.LifecycleState != "" && !slices.Contains(imageStates, query.LifecycleState) {
		return nil, "", ErrInvalid("Invalid lifecycleState: %s", query.LifecycleState)
	}
	arch := ""
	if query.Shape != "" {
		shape, ok := s.shape(query.Shape)
		if !ok {
			return nil, "", ErrInvalid("Shape %s is not valid", query.Shape)
		}
		arch = shape.Arch
	}
	images := []*Image{}
	for _, image := range all[*Image](s) {
		if image.offeredTo(query) && (arch == "" || image.arch == arch) {
			images = append(images, image)
		}
	}
	sorting := query.ListQuery
	sorting.CompartmentID = s.config.OCID
	if err := s.checkQuery(&User{}, sorting); err != nil {
		return nil, "", err
	}
	sortItems(s, images, sorting)
	return paginate(s, images, sorting, func(image *Image) string { return image.ID })
}

func (i *Image) offeredTo(query ImageQuery) bool {
	return (i.CompartmentID == "" || i.CompartmentID == query.CompartmentID) &&
		(query.DisplayName == "" || query.DisplayName == i.DisplayName) &&
		(query.LifecycleState == "" || query.LifecycleState == i.LifecycleState) &&
		(query.OperatingSystem == "" || query.OperatingSystem == i.OperatingSystem) &&
		(query.OperatingSystemVersion == "" || query.OperatingSystemVersion == i.OperatingSystemVersion)
}

// ListImageShapes lists the shapes an image runs on.
func (s *State) ListImageShapes(caller *User, id string, query ListQuery) ([]ImageShape, string, error) {
	image, err := s.GetImage(caller, id)
	if err != nil {
		return nil, "", err
	}
	entries := []ImageShape{}
	for _, shape := range s.config.Shapes {
		if shape.Arch == image.arch {
			entries = append(entries, ImageShape{ImageID: id, Shape: shape.Shape})
		}
	}
	return paginate(s, entries, query, func(entry ImageShape) string { return entry.Shape })
}

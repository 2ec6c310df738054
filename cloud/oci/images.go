// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"strings"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
)

// Shape is a shape the compartment may use.
type Shape struct {
	// Name such as VM.Standard.A1.Flex.
	Name string
	// Flexible shapes take OCPUs and memory within the ranges below.
	Flexible bool
	// OCPUs and MemoryGB are the size of a fixed shape.
	OCPUs, MemoryGB float64
	// MinOCPUs to MaxOCPUs and MinMemoryGB to MaxMemoryGB are the ranges of a flexible shape.
	MinOCPUs, MaxOCPUs, MinMemoryGB, MaxMemoryGB float64
	// MinMemoryPerOCPU and MaxMemoryPerOCPU are ratios in GB; 0 means no bound.
	MinMemoryPerOCPU, MaxMemoryPerOCPU float64
	// GPUs is their number.
	GPUs int
	// Processor describes it in words.
	Processor string
	// Architecture is amd64 or arm64. OCI does not say: it is read from the processor's
	// description.
	Architecture string
}

// Image is something to launch instances from.
type Image struct {
	Resource
	// OperatingSystem such as Canonical Ubuntu, OperatingSystemVersion such as 24.04.
	OperatingSystem, OperatingSystemVersion string
	// CreatedAt orders images of the same operating system.
	CreatedAt time.Time
	// Platform says that it is Oracle's, rather than made by somebody with access to a compartment.
	Platform bool
}

// ImageFilter narrows a list of images; empty fields do not.
type ImageFilter struct {
	// OperatingSystem and OperatingSystemVersion as OCI spells them.
	OperatingSystem, OperatingSystemVersion string
	// Shape keeps the images able to run on it.
	Shape string
	// DisplayName is compared whole.
	DisplayName string
	// Platform leaves out custom images. OCI cannot filter by it: a custom image keeps operating
	// system and version of the instance that it was made from (oracle/oci-cli issue 24).
	Platform bool
}

// Shapes lists the shapes of an availability domain; of the whole region if it is empty.
func (c *Client) Shapes(ctx context.Context, availabilityDomain string) ([]Shape, error) {
	items, err := listAll(ctx, c, pager[core.ListShapesRequest, core.ListShapesResponse, core.Shape]{
		op:      operation{service: serviceCompute, name: "ListShapes"},
		do:      c.compute.ListShapes,
		request: core.ListShapesRequest{CompartmentId: &c.compartmentID, AvailabilityDomain: optional(availabilityDomain)},
		turn:    func(r *core.ListShapesRequest, page *string) { r.Page = page },
		read:    func(r core.ListShapesResponse) ([]core.Shape, *string) { return r.Items, r.OpcNextPage },
	})
	if err != nil {
		return nil, err
	}
	shapes := make([]Shape, 0, len(items))
	for _, item := range items {
		shapes = append(shapes, shape(item))
	}
	return shapes, nil
}

// RecentShapes lists the region's shapes, from a list shared by all callers that is not older than
// age.
func (c *Client) RecentShapes(ctx context.Context, age time.Duration) ([]Shape, error) {
	return sinceShared(ctx, c.shapes, operation{service: serviceCompute, name: "ListShapes"}, newest(c.shapes, time.Time{}, age),
		func(ctx context.Context) ([]Shape, error) { return c.Shapes(ctx, "") })
}

// Images lists the AVAILABLE images, the platform's and the compartment's own, newest first.
func (c *Client) Images(ctx context.Context, filter ImageFilter) ([]Image, error) {
	items, err := listAll(ctx, c, pager[core.ListImagesRequest, core.ListImagesResponse, core.Image]{
		op: operation{service: serviceCompute, name: "ListImages"},
		do: c.compute.ListImages,
		request: core.ListImagesRequest{
			CompartmentId:          &c.compartmentID,
			OperatingSystem:        optional(filter.OperatingSystem),
			OperatingSystemVersion: optional(filter.OperatingSystemVersion),
			Shape:                  optional(filter.Shape),
			DisplayName:            optional(filter.DisplayName),
			LifecycleState:         core.ImageLifecycleStateAvailable,
			SortBy:                 core.ListImagesSortByTimecreated,
			SortOrder:              core.ListImagesSortOrderDesc,
		},
		turn: func(r *core.ListImagesRequest, page *string) { r.Page = page },
		read: func(r core.ListImagesResponse) ([]core.Image, *string) { return r.Items, r.OpcNextPage },
	})
	if err != nil {
		return nil, err
	}
	images := make([]Image, 0, len(items))
	for _, item := range items {
		if found := image(item); found.Platform || !filter.Platform {
			images = append(images, found)
		}
	}
	return images, nil
}

// Image returns one image.
func (c *Client) Image(ctx context.Context, id string) (Image, error) {
	response, err := call(ctx, c, operation{service: serviceCompute, name: "GetImage"}.on(id),
		c.compute.GetImage, core.GetImageRequest{ImageId: &id})
	if err != nil {
		return Image{}, err
	}
	return image(response.Image), nil
}

// ImageCompatibleWithShape tells whether instances of the shape can be launched from the image; an
// image of another architecture is not compatible.
func (c *Client) ImageCompatibleWithShape(ctx context.Context, imageID, shapeName string) (bool, error) {
	type request = core.ListImageShapeCompatibilityEntriesRequest
	type response = core.ListImageShapeCompatibilityEntriesResponse
	items, err := listAll(ctx, c, pager[request, response, core.ImageShapeCompatibilitySummary]{
		op:      operation{service: serviceCompute, name: "ListImageShapeCompatibilityEntries"}.on(imageID),
		do:      c.compute.ListImageShapeCompatibilityEntries,
		request: request{ImageId: &imageID},
		turn:    func(r *request, page *string) { r.Page = page },
		read:    func(r response) ([]core.ImageShapeCompatibilitySummary, *string) { return r.Items, r.OpcNextPage },
	})
	if err != nil {
		return false, err
	}
	for _, item := range items {
		if value(item.Shape) == shapeName {
			return true, nil
		}
	}
	return false, nil
}

func shape(s core.Shape) Shape {
	out := Shape{
		Name:         value(s.Shape),
		Flexible:     value(s.IsFlexible),
		OCPUs:        float64(value(s.Ocpus)),
		MemoryGB:     float64(value(s.MemoryInGBs)),
		GPUs:         value(s.Gpus),
		Processor:    value(s.ProcessorDescription),
		Architecture: "amd64",
	}
	if lower := strings.ToLower(out.Processor); strings.Contains(lower, "ampere") || strings.Contains(lower, "arm") {
		out.Architecture = "arm64"
	}
	if s.OcpuOptions != nil {
		out.MinOCPUs, out.MaxOCPUs = float64(value(s.OcpuOptions.Min)), float64(value(s.OcpuOptions.Max))
	}
	if s.MemoryOptions != nil {
		m := s.MemoryOptions
		out.MinMemoryGB, out.MaxMemoryGB = float64(value(m.MinInGBs)), float64(value(m.MaxInGBs))
		out.MinMemoryPerOCPU, out.MaxMemoryPerOCPU = float64(value(m.MinPerOcpuInGBs)), float64(value(m.MaxPerOcpuInGBs))
	}
	return out
}

// image converts an answer. Platform images have no compartment, whatever the compartment that is
// listed (oracle/oci-ansible-modules, library/oci_image_facts.py, "RETURN").
func image(i core.Image) Image {
	return Image{
		Resource:               resource(i.Id, i.DisplayName, i.LifecycleState, i.FreeformTags),
		OperatingSystem:        value(i.OperatingSystem),
		OperatingSystemVersion: value(i.OperatingSystemVersion),
		CreatedAt:              timestamp(i.TimeCreated),
		Platform:               value(i.CompartmentId) == "",
	}
}

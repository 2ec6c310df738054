// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"slices"
	"strings"
)

// Shape is a machine type as ListShapes describes it.
type Shape struct {
	Shape                     string         `json:"shape"`
	ProcessorDescription      string         `json:"processorDescription"`
	Ocpus                     float64        `json:"ocpus"`
	MemoryInGBs               float64        `json:"memoryInGBs"`
	NetworkingBandwidthInGbps float64        `json:"networkingBandwidthInGbps"`
	MaxVnicAttachments        int            `json:"maxVnicAttachments"`
	IsFlexible                bool           `json:"isFlexible"`
	BillingType               string         `json:"billingType"`
	QuotaNames                []string       `json:"quotaNames"`
	OcpuOptions               *OcpuOptions   `json:"ocpuOptions,omitempty"`
	MemoryOptions             *MemoryOptions `json:"memoryOptions,omitempty"`

	// Arch is amd64 or arm64; OCI shows it only through image compatibility.
	Arch string `json:"-"`
	// CoreLimit and MemoryLimit name the service limits for instances of the shape.
	CoreLimit   string `json:"-"`
	MemoryLimit string `json:"-"`
}

// OcpuOptions bound a flexible shape's OCPUs.
type OcpuOptions struct {
	Min float64 `json:"min"`
	Max float64 `json:"max"`
}

// MemoryOptions bound a flexible shape's memory, in gigabytes.
type MemoryOptions struct {
	MinInGBs            float64 `json:"minInGBs"`
	MaxInGBs            float64 `json:"maxInGBs"`
	DefaultPerOcpuInGBs float64 `json:"defaultPerOcpuInGBs"`
	MinPerOcpuInGBs     float64 `json:"minPerOcpuInGBs"`
	MaxPerOcpuInGBs     float64 `json:"maxPerOcpuInGBs"`
}

func flex(name, arch, family, processor string, maxOcpus, maxMemory, defaultPerOcpu float64) Shape {
	return Shape{
		Shape: name, ProcessorDescription: processor, Ocpus: 1, MemoryInGBs: defaultPerOcpu,
		NetworkingBandwidthInGbps: 1, MaxVnicAttachments: 2, IsFlexible: true, BillingType: "PAID",
		OcpuOptions:   &OcpuOptions{Min: 1, Max: maxOcpus},
		MemoryOptions: &MemoryOptions{MinInGBs: 1, MaxInGBs: maxMemory, DefaultPerOcpuInGBs: defaultPerOcpu, MinPerOcpuInGBs: 1, MaxPerOcpuInGBs: 64},
		Arch:          arch, CoreLimit: family + "-core-count", MemoryLimit: family + "-memory-count",
		QuotaNames: []string{family + "-core-count", family + "-memory-count"},
	}
}

// DefaultShapes returns shapes with the bounds of docs.oracle.com,
// Compute/References/computeshapes.htm.
func DefaultShapes() []Shape {
	a1 := flex("VM.Standard.A1.Flex", "arm64", "standard-a1", "3.0 GHz Ampere Altra", 80, 512, 6)
	a1.BillingType = "LIMITED_FREE"
	micro := Shape{
		Shape: "VM.Standard.E2.1.Micro", ProcessorDescription: "2.0 GHz AMD EPYC 7551 (Naples)", Ocpus: 1, MemoryInGBs: 1,
		NetworkingBandwidthInGbps: 0.48, MaxVnicAttachments: 1, BillingType: "ALWAYS_FREE", Arch: "amd64",
		CoreLimit: "standard-e2-micro-core-count", QuotaNames: []string{"standard-e2-micro-core-count"},
	}
	return []Shape{
		a1,
		flex("VM.Standard.A2.Flex", "arm64", "standard-a2", "3.0 GHz AmpereOne", 78, 946, 6),
		flex("VM.Standard.E4.Flex", "amd64", "standard-e4", "2.55 GHz AMD EPYC 7J13 (Milan)", 114, 1760, 16),
		flex("VM.Standard.E5.Flex", "amd64", "standard-e5", "2.4 GHz AMD EPYC 9J14 (Genoa)", 126, 1772, 12),
		micro,
		flex("VM.Standard3.Flex", "amd64", "standard3", "2.6 GHz Intel Xeon Platinum 8358 (Ice Lake)", 56, 896, 16),
	}
}

// preemptibleShapes have preemptible capacity; a series ends in a dot (OCI documentation,
// "Preemptible Instances", "Supported Shapes").
var preemptibleShapes = []string{
	"VM.Standard1.", "VM.Standard.B1.", "VM.Standard2.", "VM.Standard3.Flex", "VM.Standard.E2.", "VM.Standard.E3.Flex", "VM.Standard.E4.Flex",
	"VM.Standard.E5.Flex", "VM.Standard.A1.Flex", "VM.DenseIO1.", "VM.DenseIO2.", "VM.GPU2.", "VM.GPU3.", "VM.Optimized3.Flex",
}

func (s Shape) canBePreemptible() bool {
	return s.Shape != "VM.Standard.E2.1.Micro" &&
		slices.ContainsFunc(preemptibleShapes, func(start string) bool { return strings.HasPrefix(s.Shape, start) })
}

func (s *State) shape(name string) (Shape, bool) {
	for _, shape := range s.config.Shapes {
		if shape.Shape == name {
			return shape, true
		}
	}
	return Shape{}, false
}

// ListShapes lists the shapes, optionally those an image can run on or one by name.
func (s *State) ListShapes(caller *User, query ListQuery, imageID, name, ad string) ([]Shape, string, error) {
	if query.CompartmentID == "" {
		return nil, "", ErrMissing("compartmentId")
	}
	if err := s.readable(caller, query.CompartmentID); err != nil {
		return nil, "", err
	}
	if ad != "" && !s.hasAD(ad) {
		return nil, "", ErrNotFound()
	}
	var image *Image
	if imageID != "" {
		var err error
		if image, err = s.image(imageID); err != nil {
			return nil, "", err
		}
	}
	type entry struct {
		shape  Shape
		domain string
	}
	var entries []entry
	for _, shape := range s.config.Shapes {
		if name != "" && name != shape.Shape || image != nil && image.arch != shape.Arch {
			continue
		}
		// Without an availability domain there is an entry for each.
		for _, domain := range s.config.AvailabilityDomains() {
			if ad == "" || domain == ad {
				entries = append(entries, entry{shape, domain})
			}
		}
	}
	page, next, err := paginate(s, entries, query, func(e entry) string { return e.shape.Shape + "/" + e.domain })
	shapes := []Shape{}
	for _, e := range page {
		shapes = append(shapes, e.shape)
	}
	return shapes, next, err
}

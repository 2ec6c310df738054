// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"fmt"
	"math"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// DefaultBootVolumeGB is what a boot volume without a size counts as: platform images have 47 GB,
// and OCI takes no size below 50 (oci-go-sdk core/instance_source_via_image_details.go).
const DefaultBootVolumeGB = 50

// Size is what a machine, or several, use.
type Size struct {
	Instances, OCPUs, MemoryGB, VolumeGB int64
}

// SizeOf is that of one instance with so many OCPUs and GB of memory, which OCI counts whole. Lists
// of instances do not show how large a boot volume is: it is taken to be OCI's default.
func SizeOf(ocpus, memoryGB float64) Size {
	return Size{
		Instances: 1, OCPUs: int64(math.Ceil(ocpus)), MemoryGB: int64(math.Ceil(memoryGB)), VolumeGB: DefaultBootVolumeGB,
	}
}

// Plus adds up.
func (s Size) Plus(other Size) Size {
	return Size{
		s.Instances + other.Instances, s.OCPUs + other.OCPUs, s.MemoryGB + other.MemoryGB, s.VolumeGB + other.VolumeGB,
	}
}

// Beyond is by how much it exceeds the other, figure by figure.
func (s Size) Beyond(other Size) Size {
	return Size{
		max(0, s.Instances-other.Instances), max(0, s.OCPUs-other.OCPUs), max(0, s.MemoryGB-other.MemoryGB), max(0, s.VolumeGB-other.VolumeGB),
	}
}

// Growing are the figures that exceed the other's, and 0 for those that do not.
func (s Size) Growing(other Size) Size {
	more := s.Beyond(other)
	grown := func(figure, more int64) int64 {
		if more == 0 {
			return 0
		}
		return figure
	}
	return Size{
		grown(s.Instances, more.Instances), grown(s.OCPUs, more.OCPUs), grown(s.MemoryGB, more.MemoryGB), grown(s.VolumeGB, more.VolumeGB),
	}
}

// Times is the size of so many.
func (s Size) Times(n int64) Size {
	return Size{s.Instances * n, s.OCPUs * n, s.MemoryGB * n, s.VolumeGB * n}
}

// Budget is what machines may use of an account. The zero value bounds nothing.
type Budget struct {
	// Families bound what is used of each shape family; nil allows all, otherwise one that is
	// missing is not allowed.
	Families map[string]Bound
	// VolumeGB bounds volumes of all families; nil does not.
	VolumeGB *int64
	// Free says that it is what Oracle gives for good, and that more costs money.
	Free bool
}

// Bound is how much may be used of a family; nil does not bound.
type Bound struct {
	Instances, OCPUs, MemoryGB *int64
}

// BudgetOf reads the budget of an account.
func BudgetOf(budget infrav1.AccountBudget) Budget {
	if budget.AlwaysFree != nil && *budget.AlwaysFree {
		return AlwaysFree()
	}
	out := Budget{VolumeGB: wide(budget.VolumeGB)}
	for _, family := range budget.Families {
		if out.Families == nil {
			out.Families = map[string]Bound{}
		}
		out.Families[family.Family] = Bound{wide(family.Instances), wide(family.OCPUs), wide(family.MemoryGB)}
	}
	return out
}

func wide(figure *int32) *int64 {
	if figure == nil {
		return nil
	}
	out := int64(*figure)
	return &out
}

// Use is what some machine uses, or what is reserved for one, in one availability domain.
type Use struct {
	// AvailabilityDomain is OCI's name of it.
	AvailabilityDomain string
	// Family is the shape's.
	Family string
	// Others says that it is an instance of somebody else: it counts for limits and not for the
	// budget.
	Others bool
	// Unsized is the name of a shape whose OCPUs and memory are not known: Size has none of them;
	// empty if all is known.
	Unsized string
	Size    Size
}

// Limit is one of OCI's limits of a family in an availability domain, as far as other compartments
// and quotas leave it to the account's; a figure that is not known is nil.
type Limit struct {
	AvailabilityDomain, Family string
	OCPUs, MemoryGB            *int64
}

// Sizes are OCPUs and memory of shapes that are not flexible, by name, as far as they are known.
type Sizes map[string]Size

// ShapeOf is a machine's shape with its size. The machine's volumes are part of it.
func ShapeOf(spec infrav1.OCIMeshMachineSpec, shape infrav1.Shape, sizes Sizes) Shape {
	size := Size{Instances: 1, OCPUs: int64(shape.OCPUs), MemoryGB: int64(shape.MemoryGB)}
	known := IsFlexible(shape.Name)
	if !known {
		var fixed Size
		fixed, known = sizes[shape.Name]
		size.OCPUs, size.MemoryGB = fixed.OCPUs, fixed.MemoryGB
	}
	size.VolumeGB = DefaultBootVolumeGB
	if spec.BootVolume.SizeGB > 0 {
		size.VolumeGB = int64(spec.BootVolume.SizeGB)
	}
	for _, volume := range spec.DataVolumes {
		size.VolumeGB += int64(volume.SizeGB)
	}
	return Shape{Name: shape.Name, Size: size, Unsized: !known}
}

// ShapeNamed is the machine's shape of the name, or one of its size if the spec has none such.
func ShapeNamed(spec infrav1.OCIMeshMachineSpec, name string, sizes Sizes) Shape {
	for _, shape := range spec.Shapes {
		if shape.Name == name {
			return ShapeOf(spec, shape, sizes)
		}
	}
	return ShapeOf(spec, infrav1.Shape{Name: name}, sizes)
}

// CountsSize tells whether it matters how many OCPUs and how much memory machines of a family have.
func (a Account) CountsSize(family string) bool {
	bound := a.Budget.Families[family]
	return bound.OCPUs != nil || bound.MemoryGB != nil
}

// unsized is the name of a shape whose size is not known and has to be, since machines of the
// family have it that are there, or are to come; empty if there is none.
func (a Account) unsized(shape Shape) string {
	family := Family(shape.Name)
	switch {
	case !a.CountsSize(family):
		return ""
	case shape.Unsized:
		return shape.Name
	}
	for _, use := range a.Used {
		if use.Family == family && use.Unsized != "" && !use.Others {
			return use.Unsized
		}
	}
	return ""
}

// Unsized says that the budget cannot be kept, since it is not known how large machines are; empty
// if it can.
func (a Account) Unsized(shape Shape) string {
	name := a.unsized(shape)
	if name == "" {
		return ""
	}
	return fmt.Sprintf("its budget bounds OCPUs or memory of family %s, and OCI has not told the size of shape %s", Family(name), name)
}

// Room is how many of the wanted machines of a shape the budget has room for, if Unsized is empty;
// why says which figure leaves no more, and is empty if there is room for all. A figure that the
// shape wants nothing of is in nobody's way, be it above its bound.
func (a Account) Room(shape Shape, wanted int64) (number int64, why string) {
	var family, all Size
	for _, use := range a.Used {
		if use.Others {
			continue
		}
		all = all.Plus(use.Size)
		if use.Family == Family(shape.Name) {
			family = family.Plus(use.Size)
		}
	}
	name := Family(shape.Name)
	bound, listed := a.Budget.Families[name]
	ofVolumes := Size{VolumeGB: shape.Size.VolumeGB}
	if a.Budget.Families != nil && !listed && shape.Size != ofVolumes {
		return 0, "its budget does not list family " + name
	}
	number = wanted
	for _, figure := range []struct {
		unit       string
		used, each int64
		bound      *int64
	}{
		{"instances of " + name, family.Instances, shape.Size.Instances, bound.Instances},
		{"OCPUs of " + name, family.OCPUs, shape.Size.OCPUs, bound.OCPUs},
		{"GB of memory of " + name, family.MemoryGB, shape.Size.MemoryGB, bound.MemoryGB},
		{"GB of volumes", all.VolumeGB, shape.Size.VolumeGB, a.Budget.VolumeGB},
	} {
		if figure.bound == nil || figure.each == 0 || number == 0 || figure.used+number*figure.each <= *figure.bound {
			continue
		}
		free := max(0, *figure.bound-figure.used)
		number = free / max(1, figure.each)
		why = fmt.Sprintf("its budget has %d of %d %s left, and %d are needed", free, *figure.bound, figure.unit, wanted*figure.each)
	}
	return number, why
}

// overBudget says which figure of the budget a machine of the shape would exceed; empty if none.
func (a Account) overBudget(shape Shape) string {
	number, why := a.Room(shape, 1)
	if number > 0 {
		return ""
	}
	return why
}

// overLimit says which of OCI's limits a machine of the shape would exceed in the availability
// domain, as far as the compartment shows; empty if none.
func (a Account) overLimit(availabilityDomain string, shape Shape) string {
	if shape.Unsized {
		// A launch finds it out.
		return ""
	}
	name := Family(shape.Name)
	var used Size
	for _, use := range a.Used {
		if use.Family == name && use.AvailabilityDomain == availabilityDomain {
			used = used.Plus(use.Size)
		}
	}
	for _, limit := range a.Limits {
		if limit.Family != name || limit.AvailabilityDomain != availabilityDomain {
			continue
		}
		switch {
		case limit.OCPUs != nil && used.OCPUs+shape.Size.OCPUs > *limit.OCPUs:
			return fmt.Sprintf("OCI's limit %s leaves the compartment %d and %d are in use", CoreLimit(name), *limit.OCPUs, used.OCPUs)
		case limit.MemoryGB != nil && used.MemoryGB+shape.Size.MemoryGB > *limit.MemoryGB:
			return fmt.Sprintf("OCI's limit %s leaves the compartment %d and %d are in use", MemoryLimit(name), *limit.MemoryGB, used.MemoryGB)
		}
	}
	return ""
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package image

import "fmt"

// NotFoundError reports an image missing from the account.
type NotFoundError struct {
	// Image is the image as the machine names it.
	Image string
	// State is OCI's state of an existing but unusable image; empty otherwise.
	State string
	// Platform says that one of Oracle's images was asked for.
	Platform bool
}

// Error names the image and the remedy.
func (e *NotFoundError) Error() string {
	if e.State != "" {
		return fmt.Sprintf("image %s is %s: wait until it is AVAILABLE, or use another one", e.Image, e.State)
	}
	if e.Platform {
		return fmt.Sprintf("Oracle has no image %s there: fix spec.image.platform, to be written as OCI lists it, such as Canonical Ubuntu and 24.04 or "+
			"Oracle Linux and 9, or choose a custom image by image.id or image.name", e.Image)
	}
	return fmt.Sprintf("image %s does not exist or may not be read: fix spec.image, or import the image there", e.Image)
}

// MismatchError reports an image unable to run on the shape.
type MismatchError struct {
	// Image is the image as the machine names it, Shape the shape's name.
	Image, Shape string
}

// Error names both and the remedy.
func (e *MismatchError) Error() string {
	return fmt.Sprintf("image %s cannot run on shape %s, probably for its architecture: fix spec.image or spec.shapes", e.Image, e.Shape)
}

// ShapeNotFoundError reports a shape missing from the availability domain.
type ShapeNotFoundError struct {
	// Shape is its name; AvailabilityDomain OCI's name, empty for the whole region.
	Shape, AvailabilityDomain string
}

// Error names the shape and the remedy.
func (e *ShapeNotFoundError) Error() string {
	where := "the region"
	if e.AvailabilityDomain != "" {
		where = e.AvailabilityDomain
	}
	return fmt.Sprintf("shape %s does not exist in %s: fix spec.shapes", e.Shape, where)
}

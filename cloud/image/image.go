// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package image finds the image of a machine's boot volume, in one account and for one shape.
package image

import (
	"context"
	"fmt"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
)

// client has the calls made to an account.
type client interface {
	Image(ctx context.Context, id string) (oci.Image, error)
	Images(ctx context.Context, filter oci.ImageFilter) ([]oci.Image, error)
	ImageCompatibleWithShape(ctx context.Context, imageID, shapeName string) (bool, error)
	Shapes(ctx context.Context, availabilityDomain string) ([]oci.Shape, error)
}

var _ client = (*oci.Client)(nil)

// Query is an image to find.
type Query struct {
	// Image is the machine's choice: an OCID, a display name or a platform image.
	Image infrav1.Image
	// Shape is the name of the shape to run on.
	Shape string
	// AvailabilityDomain is OCI's name of the availability domain to have the shape.
	AvailabilityDomain string
}

// Find returns the image's OCID: the given one, if it can run on the shape; else the newest able
// to. Beside the account's errors it returns *NotFoundError, *MismatchError and
// *ShapeNotFoundError; these repeat until the user fixes the cause.
func Find(ctx context.Context, c client, query Query) (string, error) {
	if query.Image.ID != "" {
		return byID(ctx, c, query)
	}
	filter := filterOf(query.Image)
	filter.Shape = query.Shape
	images, err := c.Images(ctx, filter)
	switch {
	case cloud.IsKind(err, cloud.InvalidRequest):
		return "", explain(ctx, c, query, err)
	case err != nil:
		return "", err
	case len(images) > 0:
		return images[0].ID, explain(ctx, c, query, nil)
	}
	filter.Shape = ""
	others, err := c.Images(ctx, filter)
	switch {
	case err != nil:
		return "", err
	case len(others) > 0:
		return "", explain(ctx, c, query, &MismatchError{Image: describe(query.Image), Shape: query.Shape})
	}
	return "", explain(ctx, c, query, &NotFoundError{Image: describe(query.Image), Platform: filter.Platform})
}

func byID(ctx context.Context, c client, query Query) (string, error) {
	image, err := c.Image(ctx, query.Image.ID)
	switch {
	case cloud.IsKind(err, cloud.NotFoundOrUnauthorized, cloud.InvalidRequest):
		return "", &NotFoundError{Image: query.Image.ID}
	case err != nil:
		return "", err
	case image.State != oci.StateAvailable:
		return "", &NotFoundError{Image: query.Image.ID, State: string(image.State)}
	}
	compatible, err := c.ImageCompatibleWithShape(ctx, image.ID, query.Shape)
	switch {
	case err != nil:
		return "", err
	case !compatible:
		return "", explain(ctx, c, query, &MismatchError{Image: query.Image.ID, Shape: query.Shape})
	}
	return image.ID, explain(ctx, c, query, nil)
}

// explain returns a *ShapeNotFoundError if the shape does not exist, else otherwise: an image is
// for a shape of the region, and not each of the region's shapes is in each availability domain
// (VM.Standard.E2.1.Micro is in one).
func explain(ctx context.Context, c client, query Query, otherwise error) error {
	shapes, err := c.Shapes(ctx, query.AvailabilityDomain)
	if err != nil {
		return err
	}
	for _, shape := range shapes {
		if shape.Name == query.Shape {
			return otherwise
		}
	}
	return &ShapeNotFoundError{Shape: query.Shape, AvailabilityDomain: query.AvailabilityDomain}
}

func filterOf(image infrav1.Image) oci.ImageFilter {
	if image.Platform != (infrav1.PlatformImage{}) {
		return oci.ImageFilter{
			OperatingSystem:        image.Platform.OperatingSystem,
			OperatingSystemVersion: image.Platform.Version,
			Platform:               true,
		}
	}
	return oci.ImageFilter{DisplayName: image.Name}
}

func describe(image infrav1.Image) string {
	switch {
	case image.Platform != (infrav1.PlatformImage{}):
		return fmt.Sprintf("%s %s", image.Platform.OperatingSystem, image.Platform.Version)
	case image.Name != "":
		return fmt.Sprintf("%q", image.Name)
	}
	return image.ID
}

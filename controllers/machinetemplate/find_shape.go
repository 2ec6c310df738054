// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinetemplate

import (
	"context"
	"fmt"
	"slices"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// find asks the accounts that machines of the template may be in for the shape, until one knows it.
func (r *Reconciler) find(ctx context.Context, template *infrav1.OCIMeshMachineTemplate, name string) (oci.Shape, error) {
	accounts, err := r.inReach(ctx, template)
	if err != nil {
		return oci.Shape{}, err
	}
	if len(accounts) == 0 {
		return oci.Shape{}, access.NewProblem(infrav1.NoAccountReason,
			"no ready OCIAccount allows namespace %s and fits spec.template.spec.accounts, so that nobody can say how large shape %s is: make one ready",
			template.Namespace, name)
	}
	var silent error
	for i := range accounts {
		shapes, err := r.shapes(ctx, &accounts[i])
		if err != nil {
			silent = fmt.Errorf("account %s: %w", accounts[i].Name, err)
			continue
		}
		if at := slices.IndexFunc(shapes, func(shape oci.Shape) bool { return shape.Name == name }); at >= 0 {
			return shapes[at], nil
		}
	}
	if silent != nil {
		return oci.Shape{}, silent
	}
	return oci.Shape{}, access.NewProblem(infrav1.ShapeUnknownReason,
		"none of the accounts knows shape %s: use a shape of their regions in a new template", name)
}

func (r *Reconciler) shapes(ctx context.Context, account *infrav1.OCIAccount) ([]oci.Shape, error) {
	c, err := r.Access.OCI(ctx, account)
	if err != nil {
		return nil, err
	}
	return c.Shapes(oci.Patient(ctx), "")
}

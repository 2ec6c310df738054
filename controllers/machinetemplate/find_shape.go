// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinetemplate

import (
	"context"
	"fmt"
	"slices"
	"time"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// shapesLife is for how long the list of an account's shapes counts, for all templates.
const shapesLife = 5 * time.Minute

// findShape asks the accounts for the shape, until one knows it.
func (r *Reconciler) findShape(ctx context.Context, s *scope) error {
	name := s.wanted().Name
	var failed *access.Problem
	for i := range s.accounts {
		account := &s.accounts[i]
		shapes, err := r.shapes(ctx, account)
		if err != nil {
			problem := access.AsProblem(err)
			failed = &access.Problem{
				Reason: problem.Reason, Message: fmt.Sprintf("Account %s: %s", account.Name, problem.Message),
				RetryAfter: problem.RetryAfter, Err: err,
			}
			continue
		}
		if at := slices.IndexFunc(shapes, func(shape oci.Shape) bool { return shape.Name == name }); at >= 0 {
			s.shape = shapes[at]
			return nil
		}
	}
	if failed != nil {
		return failed
	}
	return access.NewProblem(infrav1.ShapeUnknownReason,
		"None of the accounts knows shape %s: use a shape of their regions in a new template", name)
}

func (r *Reconciler) shapes(ctx context.Context, account *infrav1.OCIAccount) ([]oci.Shape, error) {
	c, err := r.Access.OCI(ctx, account)
	if err != nil {
		return nil, err
	}
	return c.RecentShapes(ctx, shapesLife)
}

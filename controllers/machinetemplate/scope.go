// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinetemplate

import (
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
)

// scope is what the phases of one pass know.
type scope struct {
	phases.Pass
	template *infrav1.OCIMeshMachineTemplate
	// accounts are ready, and machines of the template may be in them. Set by findAccounts.
	accounts []infrav1.OCIAccount
	// shape is what an account says of the template's first one. Set by findShape.
	shape oci.Shape
}

// wanted is the shape that machines get if there is room for it.
func (s *scope) wanted() infrav1.Shape { return s.template.Spec.Template.Spec.Shapes[0] }

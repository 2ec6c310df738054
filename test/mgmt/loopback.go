// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package mgmt

import (
	"fmt"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// tailnets is the name of the Tailnets' CRD.
const tailnets = "tailnets.infrastructure.cluster.x-k8s.io"

// allowLoopback removes the Tailnets' rule against a vipRange in loopback's. Real machines cannot
// hold such an address; the simulated nodes are processes here, and an ordinary user may listen
// at no other.
func allowLoopback(crds []*apiextensionsv1.CustomResourceDefinition) error {
	for _, crd := range crds {
		if crd.Name != tailnets {
			continue
		}
		for i := range crd.Spec.Versions {
			spec := crd.Spec.Versions[i].Schema.OpenAPIV3Schema.Properties["spec"]
			vipRange := spec.Properties["vipRange"]
			before := len(vipRange.XValidations)
			vipRange.XValidations = slices.DeleteFunc(vipRange.XValidations, func(rule apiextensionsv1.ValidationRule) bool {
				return strings.Contains(rule.Rule, "127.0.0.0/8")
			})
			if len(vipRange.XValidations) != before-1 {
				return fmt.Errorf("CRD %s has not one rule about loopback", crd.Name)
			}
			spec.Properties["vipRange"] = vipRange
			crd.Spec.Versions[i].Schema.OpenAPIV3Schema.Properties["spec"] = spec
		}
	}
	return nil
}

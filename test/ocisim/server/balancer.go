// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package server

// balancerRoutes are those of oci-go-sdk's networkloadbalancer package.
func balancerRoutes() []route {
	return nil
}

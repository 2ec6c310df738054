// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package poolmachine

import (
	"context"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
)

// provision hands the machine over to Cluster API once it runs and has joined, for good.
func (r *Reconciler) provision(_ context.Context, s *scope) error {
	s.Requeue(s.Intervals.Poll)
	if s.instance == nil || s.observed.Device == nil {
		return nil
	}
	s.own.Status.Addresses = tailnetnode.Addresses(s.own.Status.Tailnet, s.own.Status.Instance.PublicIP, s.own.Name)
	if s.instance.State == oci.StateRunning && s.own.Status.Instance.PrivateIP != "" {
		provisioned := true
		s.own.Status.Initialization.Provisioned = &provisioned
	}
	return nil
}

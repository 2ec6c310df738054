// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package poolmachine

import (
	"context"

	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
)

// provision hands the machine over to Cluster API once it runs and has joined. That is never taken
// back.
func (r *Reconciler) provision(_ context.Context, s *scope) error {
	s.Requeue(s.Intervals.Poll)
	if s.instance == nil || s.observed.Device == nil {
		return nil
	}
	s.own.Status.Addresses = nil
	add := func(kind clusterv1.MachineAddressType, address string) {
		s.own.Status.Addresses = append(s.own.Status.Addresses, clusterv1.MachineAddress{Type: kind, Address: address})
	}
	for _, address := range s.own.Status.Tailnet.Addresses {
		add(clusterv1.MachineInternalIP, address)
	}
	if public := s.own.Status.Instance.PublicIP; public != "" {
		add(clusterv1.MachineExternalIP, public)
	}
	add(clusterv1.MachineHostName, s.own.Name)
	if s.instance.State == oci.StateRunning && s.own.Status.Instance.PrivateIP != "" {
		provisioned := true
		s.own.Status.Initialization.Provisioned = &provisioned
	}
	return nil
}

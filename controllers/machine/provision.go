// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/updates"
)

// provision hands the machine over to Cluster API once it runs, has joined and, if it is to be, is
// behind the load balancer. That is never taken back: what goes wrong later is for conditions.
func (r *Reconciler) provision(_ context.Context, s *scope) error {
	s.Requeue(s.Intervals.Poll)
	if s.instance == nil || s.observed.Device == nil {
		return nil
	}
	s.own.Status.Addresses = tailnetnode.Addresses(s.own.Status.Tailnet, s.own.Status.Instance.PublicIP, s.hostname)
	updates.RecordVersion(s.own, s.machine)
	if s.instance.State != oci.StateRunning || s.own.Status.Instance.PrivateIP == "" || s.provisionedForGood() {
		return nil
	}
	if s.isBackend() && s.own.Status.Backend.Name == "" {
		return nil
	}
	s.own.Spec.ProviderID = cloud.ProviderID(s.own.Status.Instance.ID)
	provisioned := true
	s.own.Status.Initialization.Provisioned = &provisioned
	updates.RecordTags(s.own)
	s.handedOver = true
	recordEvent(s, "MachineProvisioned", "Provision", "Machine runs and has joined the tailnet as %s", s.hostname)
	return nil
}

func (s *scope) provisionedForGood() bool {
	return s.own.Spec.ProviderID != "" && s.own.Status.Initialization.IsProvisioned()
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/capacity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
)

// observeInstance looks at the instance, every pass. The machine's state is what OCI says now, not what was said before.
func (r *Reconciler) observeInstance(ctx context.Context, s *scope) error {
	status := &s.own.Status.Instance
	c, err := r.clientFor(ctx, s.own.Status.Placement.Account)
	if err != nil {
		return unseen(infrav1.InstanceReadyCondition, err)
	}
	seen, exists, err := instance.Observe(ctx, c, status.ID)
	if err != nil {
		return unseen(infrav1.InstanceReadyCondition, err)
	}
	if !exists {
		seen.State = oci.StateTerminated
	}
	status.State = string(seen.State)
	switch seen.State {
	case oci.StateRunning:
		s.instance = &seen
		return r.observeAddresses(ctx, s, c)
	case oci.StateTerminated:
		return r.ended(ctx, s, c, exists)
	case oci.StateTerminating:
		s.note(infrav1.InstanceReadyCondition, infrav1.InstanceTerminatedReason,
			"Instance is TERMINATING and this provider did not ask for it")
	case oci.StateStopping, oci.StateStopped:
		s.note(infrav1.InstanceReadyCondition, infrav1.InstanceStoppedReason,
			"Instance is %s and this provider did not ask for it: start it, or delete the Machine", seen.State)
	default:
		s.note(infrav1.InstanceReadyCondition, infrav1.InstanceProvisioningReason, "Instance is %s", seen.State)
	}
	s.instance = &seen
	s.requeue(r.Options.withDefaults().ProgressInterval)
	return nil
}

// observeAddresses asks for the instance's addresses once: they stay for its life.
func (r *Reconciler) observeAddresses(ctx context.Context, s *scope, c *oci.Client) error {
	status := &s.own.Status.Instance
	if status.PrivateIP != "" {
		return nil
	}
	vnic, found, err := c.PrimaryVNIC(ctx, status.ID)
	if err != nil {
		return unseen(infrav1.InstanceReadyCondition, err)
	}
	if !found {
		s.requeue(r.Options.withDefaults().ProgressInterval)
		return nil
	}
	status.PrivateIP = vnic.PrivateIP.String()
	if vnic.PublicIP.IsValid() {
		status.PublicIP = vnic.PublicIP.String()
	}
	return nil
}

// ended judges an instance that is no more. One that never came to be for lack of room is placed anew; any other is for Cluster
// API to replace.
func (r *Reconciler) ended(ctx context.Context, s *scope, c *oci.Client, listed bool) error {
	why := "this provider did not ask for it"
	if listed && !s.provisioned() {
		failure, err := c.LaunchFailure(ctx, s.own.Status.Instance.ID)
		if err != nil {
			return unseen(infrav1.InstanceReadyCondition, err)
		}
		if failure != nil && capacity.IsShortage(failure) {
			return r.short(ctx, s, failure)
		}
		if failure != nil {
			why = "OCI gave the launch up: " + failure.Message
		}
	}
	s.waitFor(r.Options.withDefaults().PollInterval, infrav1.InstanceReadyCondition, infrav1.InstanceTerminatedReason,
		"Instance is gone: %s; delete the Machine, or let a MachineHealthCheck do so", why)
	return nil
}

func (s *scope) provisioned() bool {
	provisioned := s.own.Status.Initialization.Provisioned
	return s.own.Spec.ProviderID != "" || (provisioned != nil && *provisioned)
}

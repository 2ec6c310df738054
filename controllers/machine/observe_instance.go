// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/capacity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/feed"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
)

// observeInstance looks at the instance, every pass. The machine's state is what the account's last
// poll has shown, not what was said before.
func (r *Reconciler) observeInstance(ctx context.Context, s *scope) error {
	status := &s.own.Status.Instance
	c, book, err := r.accountOf(ctx, s.own.Status.Placement.Account)
	if err != nil {
		return phases.Unseen(err)
	}
	seen, exists, err := r.look(ctx, s, c, book)
	switch {
	case s.unseen:
		return err
	case err != nil:
		return phases.Unseen(err)
	}
	if !exists {
		seen.State = oci.StateTerminated
	} else if h, err := r.hold(ctx, s, c, book, seen, lookedAt(s, book)); err != nil || !h.ours {
		return r.notHeld(s, h, err)
	}
	if status.State == string(oci.StateProvisioning) && seen.State == oci.StateStarting {
		// On the way up RUNNING follows within seconds: that is not worth a write for each machine.
		seen.State = oci.StateProvisioning
	}
	status.State = string(seen.State)
	switch seen.State {
	case oci.StateRunning:
		s.instance = &seen
		return r.observeAddresses(s, book)
	case oci.StateTerminated:
		return r.ended(ctx, s, c, exists)
	case oci.StateTerminating:
		s.Note(infrav1.InstanceReadyCondition, infrav1.InstanceTerminatedReason,
			"Instance is TERMINATING and this provider did not ask for it")
	case oci.StateStopping, oci.StateStopped:
		s.Note(infrav1.InstanceReadyCondition, infrav1.InstanceStoppedReason,
			"Instance is %s and this provider did not ask for it: start it, or delete the Machine", seen.State)
	default:
		s.Note(infrav1.InstanceReadyCondition, infrav1.InstanceProvisioningReason, "Instance is %s", seen.State)
	}
	s.instance = &seen
	return nil
}

// look finds the instance in what the account's polls have shown. One that the last did not show is
// asked for itself: a list is no evidence that something is gone, and may not show yet what is new.
func (r *Reconciler) look(ctx context.Context, s *scope, c *oci.Client, book *feed.Book) (oci.Instance, bool, error) {
	id := s.own.Status.Instance.ID
	if trouble := book.Trouble(s.now); trouble != nil {
		return oci.Instance{}, false, trouble
	}
	seen, known := book.Instance(id)
	if known && seen.Listed {
		return seen.Instance, true, nil
	}
	if _, polled := book.Age(s.now); !polled && s.before.Status.Instance.ID == id {
		s.unseen = true
		book.Await(client.ObjectKeyFromObject(s.own).String(), s.now)
		return oci.Instance{}, false, &notPolledError{account: s.own.Status.Placement.Account}
	}
	found, exists, err := instance.Observe(ctx, c, id)
	if exists {
		book.Note(found, s.now)
	}
	return found, exists, err
}

// observeAddresses asks for the instance's addresses once: they stay for its life. A poll fetches
// them and brings the next pass.
func (r *Reconciler) observeAddresses(s *scope, book *feed.Book) error {
	status := &s.own.Status.Instance
	if status.PrivateIP != "" {
		return nil
	}
	vnic, found, err := book.Addresses(status.ID)
	if err != nil {
		return phases.Unseen(err)
	}
	if !found {
		return nil
	}
	status.PrivateIP = vnic.PrivateIP.String()
	if vnic.PublicIP.IsValid() {
		status.PublicIP = vnic.PublicIP.String()
	}
	return nil
}

// ended judges an instance that is no more. One that never came to be for lack of room is placed
// anew; any other is for Cluster API to replace.
func (r *Reconciler) ended(ctx context.Context, s *scope, c *oci.Client, listed bool) error {
	why := "this provider did not ask for it"
	if listed && !s.provisioned() {
		failure, err := c.LaunchFailure(ctx, s.own.Status.Instance.ID)
		if err != nil {
			return phases.Unseen(err)
		}
		if failure != nil && capacity.IsShortage(failure) {
			return r.short(ctx, s, failure)
		}
		if failure != nil {
			why = "OCI gave the launch up: " + failure.Message
		}
	}
	s.WaitFor(s.Intervals.Poll, infrav1.InstanceReadyCondition, infrav1.InstanceTerminatedReason,
		"Instance is gone: %s; delete the Machine, or let a MachineHealthCheck do so", why)
	return nil
}

func (s *scope) provisioned() bool {
	provisioned := s.own.Status.Initialization.Provisioned
	return s.own.Spec.ProviderID != "" || (provisioned != nil && *provisioned)
}

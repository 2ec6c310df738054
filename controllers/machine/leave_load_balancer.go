// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"net/netip"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// leaveLoadBalancer takes a control plane out of the cluster's load balancer, before anything else
// of it goes.
func (b balancing) leaveLoadBalancer(ctx context.Context, s *scope) error {
	if !s.isBackend() || !mayBeBehindLoadBalancer(s) {
		return nil
	}
	if s.own.Status.Instance.ID == "" && s.own.Status.Backend == (infrav1.BackendStatus{}) {
		// Only its providerID says that there was an instance, and users can write that.
		_, err := b.finder.Access.Account(ctx, s.infraCluster.LoadBalancerAccount(), s.own.Namespace)
		if err != nil && problemReason(err) == infrav1.NamespaceNotAllowedReason {
			return nil
		}
	}
	pending, key := b.becoming.from(s.Intervals.Progress), leavingOf(client.ObjectKeyFromObject(s.own))
	if after := pending.After(key, s.now); after > 0 {
		s.waitToLeave(after)
		return nil
	}
	balancers, c, owner, err := b.balancer(ctx, s)
	if err != nil {
		return stuckInLoadBalancer(err)
	}
	machine := backendOf(s)
	if !machine.Address.IsValid() && s.own.Status.Instance.ID != "" {
		// Status was lost, and the instance found again.
		if machine.Address, err = addressOf(ctx, c, s); err != nil {
			return stuckInLoadBalancer(err)
		}
	}
	out, err := balancers.Leave(ctx, owner, s.infraCluster.Status.LoadBalancer.ID, machine)
	if err != nil {
		pending.Drop(key)
		return stuckInLoadBalancer(err)
	}
	if !out {
		s.waitToLeave(pending.Unfinished(key, backendWork, s.now))
		return nil
	}
	pending.Finished(key, s.now)
	if s.own.Status.Backend != (infrav1.BackendStatus{}) {
		ctrl.LoggerFrom(ctx).Info("Left the load balancer")
	}
	s.own.Status.Backend = infrav1.BackendStatus{}
	return nil
}

// leavingOf is the key of what a machine that leaves waits for.
func leavingOf(machine client.ObjectKey) string { return "leaving " + machine.String() }

// waitToLeave ends the pass until the machine can be out of the load balancer.
func (s *scope) waitToLeave(after time.Duration) {
	s.Deletion = access.NewProblem(infrav1.LeavingLoadBalancerReason, "Removing the machine from the load balancer")
	s.Stop()
	s.Requeue(after)
}

// mayBeBehindLoadBalancer is false for a machine without a launch, and for one with an instance on
// its way out: it was taken out of the load balancer before.
func mayBeBehindLoadBalancer(s *scope) bool {
	if s.own.Status.Backend != (infrav1.BackendStatus{}) {
		return true
	}
	return s.launched() && !oci.LifecycleState(s.own.Status.Instance.State).IsEnding()
}

// addressOf asks for the address of the machine's instance; it is not valid if the instance has
// lost it.
func addressOf(ctx context.Context, c *oci.Client, s *scope) (netip.Addr, error) {
	id := s.own.Status.Instance.ID
	attached, err := c.AttachedVNICs(ctx, id)
	if err != nil {
		return netip.Addr{}, err
	}
	vnic, _, err := c.PrimaryVNIC(ctx, attached[id])
	return vnic.PrivateIP, err
}

// stuckInLoadBalancer tells why the machine cannot be taken out for the moment.
func stuckInLoadBalancer(err error) error {
	problem := access.AsProblem(err)
	if problem.Reason == infrav1.InternalErrorReason {
		return err
	}
	return &access.Problem{
		Reason: infrav1.WaitingForAccountReason, RetryAfter: problem.RetryAfter, Err: err,
		Message: "The machine cannot be removed from the load balancer: " + problem.Message,
	}
}

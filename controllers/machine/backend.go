// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"net/netip"

	ctrl "sigs.k8s.io/controller-runtime"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/loadbalancer"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/identity"
)

// isBackend tells whether the machine belongs behind the cluster's load balancer.
func (s *scope) isBackend() bool {
	return s.isControlPlane() && s.infraCluster != nil && s.infraCluster.Spec.EndpointType.HasLoadBalancer()
}

// backend is the machine as the load balancer knows it. Only the network kind takes the name, so
// that it may be known by either.
func (s *scope) backend() oci.Backend {
	address, _ := netip.ParseAddr(s.own.Status.Instance.PrivateIP)
	return oci.Backend{Name: s.hostname, Address: address, Port: int(s.infraCluster.Spec.ControlPlaneEndpoint.Port)}
}

// balancer is the cluster's load balancer's account, and who owns it.
func (r *Reconciler) balancer(ctx context.Context, s *scope) (loadbalancer.Account, *oci.Client, ownership.Owner, error) {
	c, _, err := r.accountOf(ctx, s.infraCluster.LoadBalancerAccount())
	if err != nil {
		return loadbalancer.Account{}, nil, ownership.Owner{}, err
	}
	return loadbalancer.In(c, s.infraCluster.Spec.EndpointType), c, identity.OfCluster(s.infraCluster).HeldBy(r.Claims.Guard()), nil
}

// joinLoadBalancer puts a control plane behind the cluster's load balancer as soon as it has an
// address: kubeadm calls the endpoint while the machine boots. It holds nothing else up. One that
// was seen there is not looked for again: the cluster's controller sees to it that it stays.
func (r *Reconciler) joinLoadBalancer(ctx context.Context, s *scope) error {
	backend, options := &s.own.Status.Backend, r.Options.withDefaults()
	if !s.isBackend() || s.own.Status.Instance.PrivateIP == "" || backend.Name != "" {
		return nil
	}
	membership := loadbalancer.Membership{WorkRequestID: backend.WorkRequestID}
	balancers, _, owner, err := r.balancer(ctx, s)
	if err == nil {
		id := s.infraCluster.Status.LoadBalancer.ID
		membership, err = balancers.Join(ctx, owner, id, s.backend(), backend.WorkRequestID)
	}
	backend.Name, backend.WorkRequestID = membership.Name, membership.WorkRequestID
	switch {
	case err != nil:
		problem := access.AsProblem(err)
		if problem.Reason == infrav1.InternalErrorReason {
			return err
		}
		if problem.Reason == infrav1.RequestRefusedReason || problem.Reason == infrav1.LimitExceededReason {
			problem = &access.Problem{Reason: infrav1.BackendFailedReason, Message: problem.Message}
		}
		s.note(infrav1.LoadBalancerReadyCondition, problem.Reason, "The machine cannot be put behind the load balancer: %s", problem.Message)
		s.requeue(s.retryAfter(problem, options))
	case membership.Failure != nil:
		s.note(infrav1.LoadBalancerReadyCondition, infrav1.BackendFailedReason,
			"OCI gave the change of the load balancer up: %s; it is tried again", cloud.UserMessage(membership.Failure))
		s.requeue(options.PollInterval)
	case membership.Name == "":
		s.note(infrav1.LoadBalancerReadyCondition, infrav1.BackendRegisteringReason, "The load balancer: %s", membership.Doing)
		s.requeue(options.ProgressInterval)
	default:
		r.event(s, "BackendRegistered", "Register", "Machine is behind the load balancer as %s", membership.Name)
	}
	return nil
}

// leaveLoadBalancer takes a control plane out of the cluster's load balancer, before anything else
// of it goes.
func (r *Reconciler) leaveLoadBalancer(ctx context.Context, s *scope) error {
	if !s.isBackend() || !s.mayBeBehindLoadBalancer() {
		return nil
	}
	if s.own.Status.Instance.ID == "" && s.own.Status.Backend == (infrav1.BackendStatus{}) {
		// Only its providerID says that there was an instance, and users can write that.
		_, err := r.Access.Account(ctx, s.infraCluster.LoadBalancerAccount(), s.own.Namespace)
		if err != nil && problemReason(err) == infrav1.NamespaceNotAllowedReason {
			return nil
		}
	}
	balancers, c, owner, err := r.balancer(ctx, s)
	if err != nil {
		return stuckInLoadBalancer(err)
	}
	machine := s.backend()
	if !machine.Address.IsValid() && s.own.Status.Instance.ID != "" {
		// Status was lost, and the instance found again.
		if machine.Address, err = addressOf(ctx, c, s); err != nil {
			return stuckInLoadBalancer(err)
		}
	}
	out, err := balancers.Leave(ctx, owner, s.infraCluster.Status.LoadBalancer.ID, machine)
	if err != nil {
		return stuckInLoadBalancer(err)
	}
	if !out {
		s.deletion = access.NewProblem(infrav1.LeavingLoadBalancerReason, "Taking the machine out of the load balancer")
		s.stop()
		s.requeue(r.Options.withDefaults().ProgressInterval)
		return nil
	}
	if s.own.Status.Backend != (infrav1.BackendStatus{}) {
		ctrl.LoggerFrom(ctx).Info("Left the load balancer")
	}
	s.own.Status.Backend = infrav1.BackendStatus{}
	return nil
}

// mayBeBehindLoadBalancer is false for a machine that was never launched, and for one whose
// instance is on its way out: it was taken out of the load balancer before.
func (s *scope) mayBeBehindLoadBalancer() bool {
	if s.own.Status.Backend != (infrav1.BackendStatus{}) {
		return true
	}
	state := oci.LifecycleState(s.own.Status.Instance.State)
	return s.launched() && state != oci.StateTerminating && state != oci.StateTerminated
}

// addressOf asks for the address of the machine's instance; it is not valid if that has none any
// more.
func addressOf(ctx context.Context, c *oci.Client, s *scope) (netip.Addr, error) {
	id := s.own.Status.Instance.ID
	attached, err := c.AttachedVNICs(ctx, id)
	if err != nil {
		return netip.Addr{}, err
	}
	vnic, _, err := c.PrimaryVNIC(ctx, attached[id])
	return vnic.PrivateIP, err
}

// stuckInLoadBalancer says that the machine cannot be taken out for the moment.
func stuckInLoadBalancer(err error) error {
	problem := access.AsProblem(err)
	if problem.Reason == infrav1.InternalErrorReason {
		return err
	}
	return &phaseError{condition: infrav1.DeletingCondition, problem: &access.Problem{
		Reason: infrav1.WaitingForAccountReason, RetryAfter: problem.RetryAfter, Err: err,
		Message: "The machine cannot be taken out of the load balancer: " + problem.Message,
	}}
}

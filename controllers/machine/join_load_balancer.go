// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/loadbalancer"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/claims"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/identity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/instances"
)

// isBackend tells whether the machine belongs behind the cluster's load balancer.
func (s *scope) isBackend() bool {
	return s.isControlPlane() && s.infraCluster != nil && s.infraCluster.Spec.EndpointType.HasLoadBalancer()
}

// backendOf is the machine in the load balancer. Only the network kind takes the name, so the
// machine may be known by either.
func backendOf(s *scope) oci.Backend {
	address, _ := netip.ParseAddr(s.own.Status.Instance.PrivateIP)
	return oci.Backend{Name: s.hostname, Address: address, Port: int(s.infraCluster.Spec.ControlPlaneEndpoint.Port)}
}

// balancing puts control planes behind their cluster's load balancer, and takes them out of it.
type balancing struct {
	finder instances.Finder
	claims *claims.Claims
	// becoming are the control planes that become backends, or leave.
	becoming *backends
}

func (r *Reconciler) balancing() balancing {
	return balancing{finder: r.finder(), claims: r.Claims, becoming: &r.backends}
}

// balancer is the account of the cluster's load balancer, and its owner.
func (b balancing) balancer(ctx context.Context, s *scope) (loadbalancer.Account, *oci.Client, ownership.Owner, error) {
	in, err := b.finder.Connect(ctx, s.infraCluster.LoadBalancerAccount())
	if err != nil {
		return loadbalancer.Account{}, nil, ownership.Owner{}, err
	}
	balancers, err := loadbalancer.In(in.Client, s.infraCluster.Spec.EndpointType)
	return balancers, in.Client, identity.OfCluster(s.infraCluster).HeldBy(b.claims.Guard()), err
}

// backendWork is what takes load balancers the same time: to take a backend in, or out.
const backendWork = "backend"

// backends are the control planes that become backends, or leave.
type backends struct {
	once    sync.Once
	pending cloud.Pending
}

// from is those waited for; first is when to look if no such change was seen to end.
func (b *backends) from(first time.Duration) *cloud.Pending {
	b.once.Do(func() { b.pending.Waits = &cloud.Waits{First: first} })
	return &b.pending
}

// join asks for the machine to become a backend, or looks whether it is one.
func (b balancing) join(ctx context.Context, s *scope) (loadbalancer.Membership, error) {
	workRequestID := s.own.Status.Backend.WorkRequestID
	balancers, _, owner, err := b.balancer(ctx, s)
	if err != nil {
		return loadbalancer.Membership{WorkRequestID: workRequestID}, err
	}
	return balancers.Join(ctx, owner, s.infraCluster.Status.LoadBalancer.ID, backendOf(s), workRequestID)
}

// joinLoadBalancer puts a control plane behind the cluster's load balancer as soon as it has an
// address: kubeadm calls the endpoint while the machine boots. It holds nothing else up. Once seen
// there, the machine is not looked for again: the cluster's controller keeps it there.
func (b balancing) joinLoadBalancer(ctx context.Context, s *scope) error {
	backend := &s.own.Status.Backend
	if !s.isBackend() || s.own.Status.Instance.PrivateIP == "" || backend.Name != "" {
		return nil
	}
	membership := loadbalancer.Membership{WorkRequestID: backend.WorkRequestID}
	pending, key := b.becoming.from(s.Intervals.Progress), client.ObjectKeyFromObject(s.own).String()
	var err error
	if after := pending.After(key, s.now); after > 0 && backend.WorkRequestID != "" {
		membership.Doing = loadbalancer.Becoming
	} else {
		membership, err = b.join(ctx, s)
	}
	backend.Name, backend.WorkRequestID = membership.Name, membership.WorkRequestID
	if (err != nil || membership.Failure != nil) && membership.WorkRequestID == "" {
		// It will be asked for anew, and its time is counted from then.
		pending.Drop(key)
	}
	switch {
	case err != nil:
		problem := access.AsProblem(err)
		if problem.Reason == infrav1.InternalErrorReason {
			return err
		}
		if problem.Reason == infrav1.RequestRefusedReason || problem.Reason == infrav1.LimitExceededReason {
			problem = &access.Problem{Reason: infrav1.BackendFailedReason, Message: problem.Message}
		}
		s.Note(infrav1.LoadBalancerReadyCondition, problem.Reason, "The machine cannot be added to the load balancer: %s", problem.Message)
		s.Requeue(s.Intervals.After(problem))
	case membership.Failure != nil:
		s.Note(infrav1.LoadBalancerReadyCondition, infrav1.BackendFailedReason,
			"OCI failed to change the load balancer: %s; retrying", cloud.UserMessage(membership.Failure))
		s.Requeue(s.Intervals.Poll)
	case membership.Name == "":
		s.Note(infrav1.LoadBalancerReadyCondition, infrav1.BackendRegisteringReason,
			"The machine is not behind the load balancer yet: %s", membership.Doing)
		again := s.Intervals.Progress
		if membership.WorkRequestID != "" {
			again = pending.Unfinished(key, backendWork, s.now)
		} else {
			pending.Drop(key)
		}
		s.Requeue(again)
	default:
		pending.Finished(key, s.now)
		recordEvent(s, "BackendRegistered", "Register", "Machine is behind the load balancer as %s", membership.Name)
	}
	return nil
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/loadbalancer"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/network"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/claims"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/identity"
)

// defaultBandwidth is what Always Free has, in Mbps.
const defaultBandwidth = 10

// loadBalancer sees to the load balancer in the account of the control planes, and takes its
// address once it is ACTIVE.
func (r *Reconciler) loadBalancer(ctx context.Context, s *scope) error {
	i := slices.IndexFunc(s.accounts, func(a *accountState) bool { return a.name == s.infra.LoadBalancerAccount() })
	account := s.accounts[i]
	if !account.ready() {
		return access.NewProblem(infrav1.WaitingReason, "waits for account %s and its network, where the load balancer is", account.name)
	}
	c, err := r.Clients.OCI(ctx, account.account)
	if err != nil {
		return err
	}
	spec := balancerSpec(s, account)
	if r.memory.balancer(s.infra.UID, c, spec, r.restFor(s)) {
		return nil
	}
	if err := verifyPlace(ctx, s, c); err != nil {
		return endpointProblem(err)
	}
	state, err := r.ensureLoadBalancer(ctx, s, c, spec)
	status := &s.infra.Status.LoadBalancer
	status.ID, status.WorkRequestID, status.Attempt, status.State = state.ID, state.WorkRequestID, state.Attempt, string(state.Lifecycle)
	switch {
	case err != nil:
		return endpointProblem(err)
	case isClaiming(state.Claim):
		return access.NewProblem(infrav1.ClaimingReason, loadbalancer.Claiming)
	case state.Failure != nil:
		return access.NewProblem(infrav1.EndpointFailedReason, "OCI gave the load balancer, or a change of it, up: %s; it is tried again",
			cloud.UserMessage(state.Failure))
	case state.Lost:
		return access.NewProblem(infrav1.EndpointLostReason,
			"there is no load balancer of the cluster's in account %s, and OCI gives a new one another address than %s, which certificates and nodes "+
				"hold: make the cluster anew, with loadBalancer.reservedPublicIPID to keep the address", account.name, spec.Address)
	case !state.Ready:
		return access.NewProblem(infrav1.EndpointProvisioningReason, "%s", state.Doing)
	}
	if err := takeAddress(s, state.Address); err != nil {
		return err
	}
	if status.Claim.State != infrav1.ClaimPending {
		r.memory.rememberBalancer(s.infra.UID, c, balancerSpec(s, account))
	}
	return nil
}

// verifyPlace looks whether the load balancer may be where the user wants it.
func verifyPlace(ctx context.Context, s *scope, c *oci.Client) error {
	bounded, cancel := context.WithTimeout(oci.Patient(ctx), s.options.AccountTimeout)
	defer cancel()
	return network.VerifyBalancer(bounded, c, identity.OfCluster(s.infra), s.infra.Spec.LoadBalancer)
}

// ensureLoadBalancer ensures the load balancer and, once it is as it should be, that every machine
// that was seen behind it still is.
func (r *Reconciler) ensureLoadBalancer(ctx context.Context, s *scope, c *oci.Client, spec loadbalancer.Spec) (loadbalancer.State, error) {
	bounded, cancel := context.WithTimeout(oci.Patient(ctx), s.options.AccountTimeout)
	defer cancel()
	status := s.infra.Status.LoadBalancer
	holder, began := r.holder(s, status.Claim, status.ID), time.Now()
	balancers, owner := loadbalancer.In(c, s.infra.Spec.EndpointType), identity.OfCluster(s.infra).HeldBy(holder)
	state, err := balancers.Ensure(bounded, owner, spec, loadbalancer.Known{
		ID: status.ID, WorkRequestID: status.WorkRequestID, Attempt: status.Attempt,
	})
	s.infra.Status.LoadBalancer.Claim = r.decided(s, holder, state.Claim, state.ID, began)
	if err != nil || !state.Ready {
		return state, err
	}
	for i := range s.machines {
		machine, ok := backendOf(&s.machines[i], spec.Port)
		if !ok || loadbalancer.Has(state.Backends, machine) {
			continue
		}
		// The machine may have left since the list was read.
		current := &infrav1.OCIMeshMachine{}
		if err := r.Reader.Get(ctx, client.ObjectKeyFromObject(&s.machines[i]), current); err != nil {
			return state, client.IgnoreNotFound(err)
		}
		if _, ok := backendOf(current, spec.Port); !ok {
			continue
		}
		joined, err := balancers.Join(bounded, owner, state.ID, machine, "")
		state.Ready, state.Doing, state.WorkRequestID = false, "putting machine "+current.Name+" back behind the load balancer", joined.WorkRequestID
		return state, err
	}
	return state, nil
}

// backendOf is the machine as a backend, if it was seen to be one and is not on its way out.
func backendOf(machine *infrav1.OCIMeshMachine, port int) (oci.Backend, bool) {
	_, controlPlane := machine.Labels[clusterv1.MachineControlPlaneLabel]
	address, err := netip.ParseAddr(machine.Status.Instance.PrivateIP)
	in := controlPlane && err == nil && machine.Status.Backend.Name != "" && machine.DeletionTimestamp.IsZero()
	return oci.Backend{Name: machine.Status.Backend.Name, Address: address, Port: port}, in
}

func balancerSpec(s *scope, account *accountState) loadbalancer.Spec {
	wanted := s.infra.Spec.LoadBalancer
	spec := loadbalancer.Spec{
		SubnetID: account.network.SubnetID, Private: wanted.Scope == infrav1.LoadBalancerPrivate, ReservedIPID: wanted.ReservedPublicIPID,
		NSGIDs: wanted.NetworkSecurityGroupIDs, Port: int(endpointPort(s)),
		Bandwidth: oci.Bandwidth{Minimum: int(wanted.Bandwidth.MinimumMbps), Maximum: int(wanted.Bandwidth.MaximumMbps)},
	}
	if wanted.SubnetID != "" {
		spec.SubnetID = wanted.SubnetID
	}
	if account.spec.Network.Managed != nil {
		spec.NSGIDs = []string{account.network.LoadBalancerGroupID}
	}
	if spec.Bandwidth == (oci.Bandwidth{}) {
		spec.Bandwidth = oci.Bandwidth{Minimum: defaultBandwidth, Maximum: defaultBandwidth}
	}
	// A host that is a DNS name is the user's to keep pointed at the load balancer.
	spec.Address, _ = netip.ParseAddr(s.infra.Spec.ControlPlaneEndpoint.Host)
	return spec
}

// takeAddress makes the load balancer's address the endpoint, unless that is set.
func takeAddress(s *scope, address netip.Addr) error {
	endpoint := &s.infra.Spec.ControlPlaneEndpoint
	if !address.IsValid() {
		return access.NewProblem(infrav1.EndpointProvisioningReason, "waiting for the load balancer's address")
	}
	given, err := netip.ParseAddr(endpoint.Host)
	if err == nil && given != address {
		return access.NewProblem(infrav1.EndpointLostReason,
			"load balancer %s has the address %s, but spec.controlPlaneEndpoint.host, which certificates and nodes hold, is %s: make the cluster anew",
			s.infra.Status.LoadBalancer.ID, address, given)
	}
	if endpoint.Host == "" {
		endpoint.Host = address.String()
	}
	endpoint.Port = endpointPort(s)
	return nil
}

// endpointProblem keeps the reasons that have a remedy of their own; other refusals are the
// endpoint's.
func endpointProblem(err error) error {
	problem := *access.AsProblem(err)
	switch problem.Reason {
	case infrav1.AuthenticationFailedReason, infrav1.UnavailableReason, infrav1.ThrottledReason, infrav1.HeldElsewhereReason:
	case infrav1.NotAuthorizedOrNotFoundReason:
		problem.Message += "; the policy must let the group manage network-load-balancers or load-balancers"
	case infrav1.InternalErrorReason:
		return err
	default:
		problem.Reason = infrav1.EndpointFailedReason
	}
	problem.Message = "the load balancer: " + problem.Message
	return &problem
}

// removeLoadBalancer removes the load balancer, which is in the way of its network's end.
func (r *Reconciler) removeLoadBalancer(ctx context.Context, s *scope) error {
	name := s.infra.LoadBalancerAccount()
	status := &s.infra.Status.LoadBalancer
	if s.waitsFor != nil || !slices.Contains(recorded(s.infra), name) || status.State == string(oci.StateDeleted) {
		// None was ever asked for, or it is proven gone.
		return nil
	}
	removal, err := r.deleteLoadBalancer(ctx, s, name)
	switch {
	case err != nil:
		problem := *access.AsProblem(err)
		problem.Message = fmt.Sprintf("the load balancer in OCIAccount %s cannot be removed: %s: %s", name, problem.Reason, problem.Message)
		problem.Reason = infrav1.WaitingForAccountReason
		s.waitsFor = &problem
	case removal.Doing == loadbalancer.Claiming:
		s.waitsFor = r.waitsForClaim("The load balancer in OCIAccount " + name)
	case removal.InUse != "":
		s.waitsFor = access.NewProblem(infrav1.LoadBalancerInUseReason,
			"OCI refuses to delete the load balancer in OCIAccount %s: %s", name, removal.InUse)
	case !removal.Gone:
		s.waitsFor = access.NewProblem(infrav1.DeletingReason, "deleting the load balancer in OCIAccount %s", name)
	case status.ID == "" && len(removal.Elsewhere) == 0 && !r.memory.emptyFor(memoryKey{s.infra.UID, balancerKey}, s.options.ListLag):
		// One made a moment ago, whose OCID was lost in a crash, may not be listed yet.
		s.waitsFor = access.NewProblem(infrav1.DeletingReason, "making sure that OCIAccount %s has no load balancer", name)
	default:
		status.State = string(oci.StateDeleted)
		for _, left := range removal.Elsewhere {
			claims.Left(r.Recorder, s.infra, left.Claim, "Load balancer "+left.ID)
		}
	}
	return nil
}

// balancerKey stands for the load balancer among names of accounts, in which there is no slash.
const balancerKey = "/load-balancer"

func (r *Reconciler) deleteLoadBalancer(ctx context.Context, s *scope, name string) (loadbalancer.Removal, error) {
	c, err := r.clientOf(ctx, s, name)
	if err != nil {
		return loadbalancer.Removal{}, err
	}
	bounded, cancel := context.WithTimeout(oci.Patient(ctx), s.options.AccountTimeout)
	defer cancel()
	status := &s.infra.Status.LoadBalancer
	holder, began := r.holder(s, status.Claim, status.ID), time.Now()
	removal, err := loadbalancer.In(c, s.infra.Spec.EndpointType).Remove(bounded, identity.OfCluster(s.infra).HeldBy(holder), status.ID)
	status.Claim = r.decided(s, holder, removal.Claim, status.ID, began)
	return removal, err
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"k8s.io/klog/v2"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"
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

// loadBalancerEndpoint is a load balancer of OCI in the account of the control planes, of the
// network kind or the classic one.
type loadBalancerEndpoint struct{ r *Reconciler }

// Ensure sees to the load balancer, and takes its address once it is ACTIVE.
func (e loadBalancerEndpoint) Ensure(ctx context.Context, s *scope) error {
	i := slices.IndexFunc(s.accounts, func(a *accountState) bool { return a.name == s.infra.LoadBalancerAccount() })
	account := s.accounts[i]
	if !account.ready() {
		return waiting(s, "Waiting for account %s and its network, where the load balancer is", account.name)
	}
	c, err := e.r.Clients.OCI(ctx, account.account)
	if err != nil {
		return err
	}
	spec := balancerSpec(s, account)
	if e.r.cache.hasLoadBalancer(s.infra.UID, c, spec, e.r.looks(s, account.name)) {
		return nil
	}
	e.r.cache.waits(s.Intervals.Progress)
	if problem := e.r.cache.beingMade(s.infra.UID, c, spec); problem != nil {
		return problem
	}
	if err := verifyPlace(ctx, s, c); err != nil {
		return endpointProblem(err)
	}
	before := s.infra.Status.LoadBalancer
	state, err := e.ensure(ctx, s, c, spec)
	if err != nil || isClaiming(state.Claim) || state.Failure != nil || state.Lost {
		e.r.cache.forgetMaking(s.infra.UID)
	}
	status := &s.infra.Status.LoadBalancer
	status.ID, status.WorkRequestID, status.Attempt, status.State = state.ID, state.WorkRequestID, state.Attempt, string(state.Lifecycle)
	logLoadBalancer(ctx, s, before)
	switch {
	case err != nil:
		return endpointProblem(err)
	case isClaiming(state.Claim):
		return access.NewProblem(infrav1.ClaimingReason, "%s", sentence(loadbalancer.Claiming))
	case state.Failure != nil:
		return access.NewProblem(infrav1.EndpointFailedReason, "OCI failed to create or update the load balancer: %s; retrying",
			cloud.UserMessage(state.Failure))
	case state.Lost:
		return access.NewProblem(infrav1.EndpointLostReason,
			"The load balancer in account %s is gone, and a new one would get another address than %s, which certificates and nodes hold: "+
				"recreate the cluster, with loadBalancer.reservedPublicIPID to keep the address", account.name, spec.Address)
	case !state.Ready:
		problem := access.NewProblem(infrav1.EndpointProvisioningReason, "%s", sentence(state.Doing))
		return e.r.cache.setMaking(s.infra.UID, c, spec, problem)
	}
	e.r.cache.madeLoadBalancer(s.infra.UID)
	if err := takeAddress(s, state.Address); err != nil {
		return err
	}
	if !status.Claim.State.IsPending() {
		e.r.cache.setLoadBalancer(s.infra.UID, c, balancerSpec(s, account))
	}
	return nil
}

// verifyPlace looks whether the load balancer may be where the user wants it.
func verifyPlace(ctx context.Context, s *scope, c *oci.Client) error {
	bounded, cancel := context.WithTimeout(oci.Patient(ctx), s.options.AccountTimeout)
	defer cancel()
	return network.VerifyBalancer(bounded, c, identity.OfCluster(s.infra), s.infra.Spec.LoadBalancer)
}

// logLoadBalancer logs what became of the load balancer since the last pass.
func logLoadBalancer(ctx context.Context, s *scope, before infrav1.LoadBalancerStatus) {
	now := s.infra.Status.LoadBalancer
	log := ctrl.LoggerFrom(ctx).WithValues("OCIAccount", klog.KRef("", s.infra.LoadBalancerAccount()), "loadBalancer", now.ID)
	switch {
	case now.State == before.State || before.State == string(oci.StateUpdating):
	case now.State == string(oci.StateCreating):
		log.Info("Creating the load balancer")
	case now.State == string(oci.StateActive):
		log.Info("The load balancer is active")
	}
}

// ensure ensures the load balancer and, once it is as it should be, that every machine that was
// seen behind it still is.
func (e loadBalancerEndpoint) ensure(ctx context.Context, s *scope, c *oci.Client, spec loadbalancer.Spec) (loadbalancer.State, error) {
	bounded, cancel := context.WithTimeout(oci.Patient(ctx), s.options.AccountTimeout)
	defer cancel()
	balancers, err := loadbalancer.In(c, s.infra.Spec.EndpointType)
	if err != nil {
		return loadbalancer.State{}, err
	}
	status := s.infra.Status.LoadBalancer
	holder, began := e.r.holder(s, s.infra.LoadBalancerAccount(), status.Claim, status.ID), time.Now()
	owner := identity.OfCluster(s.infra).HeldBy(holder)
	state, err := balancers.Ensure(bounded, owner, spec, loadbalancer.Known{
		ID: status.ID, WorkRequestID: status.WorkRequestID, Attempt: status.Attempt,
		Creating: status.State == string(oci.StateCreating),
	})
	s.infra.Status.LoadBalancer.Claim = e.r.nextClaim(s, holder, state.Claim, state.ID, began)
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
		if err := e.r.Reader.Get(ctx, client.ObjectKeyFromObject(&s.machines[i]), current); err != nil {
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
		SubnetID: account.network.SubnetID, Private: wanted.Scope.IsPrivate(), ReservedIPID: wanted.ReservedPublicIPID,
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
		return access.NewProblem(infrav1.EndpointProvisioningReason, "Waiting for the load balancer's address")
	}
	given, err := netip.ParseAddr(endpoint.Host)
	if err == nil && given != address {
		return access.NewProblem(infrav1.EndpointLostReason,
			"Load balancer %s has address %s, but certificates and nodes hold %s, which is in spec.controlPlaneEndpoint.host: recreate the cluster",
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
	message := problem.Message
	switch problem.Reason {
	case infrav1.AuthenticationFailedReason, infrav1.UnavailableReason, infrav1.ThrottledReason, infrav1.HeldElsewhereReason:
	case infrav1.NotAuthorizedOrNotFoundReason:
		message += "; the policy must let the group manage network-load-balancers or load-balancers"
	case infrav1.InternalErrorReason:
		return err
	default:
		problem.Reason = infrav1.EndpointFailedReason
	}
	problem.Message = "The load balancer cannot be created or updated: " + message
	return &problem
}

// Remove removes the load balancer, which its network cannot be deleted with.
func (e loadBalancerEndpoint) Remove(ctx context.Context, s *scope) error {
	name := s.infra.LoadBalancerAccount()
	status := &s.infra.Status.LoadBalancer
	if !slices.Contains(recorded(s.infra), name) || status.State == string(oci.StateDeleted) {
		// None was ever asked for, or it is proven gone.
		return nil
	}
	doing := access.NewProblem(infrav1.DeletingReason, "Deleting the load balancer in OCIAccount %s", name)
	pending, key := &e.r.cache.pending, deleting(s.infra.UID)
	if doing.RetryAfter = pending.After(key, time.Now()); doing.RetryAfter > 0 {
		return doing
	}
	removal, err := e.remove(ctx, s, name)
	switch {
	case err != nil, removal.Doing != "", removal.InUse != "":
		pending.Drop(key)
	case removal.Gone:
		pending.Finished(key, time.Now())
	default:
		e.r.cache.waits(s.Intervals.Progress)
		doing.RetryAfter = pending.Unfinished(key, balancerWork, time.Now())
	}
	switch {
	case err != nil:
		return cannotDelete("load balancer", name, err)
	case removal.Doing == loadbalancer.Claiming:
		return e.r.waitsForClaim("The load balancer in OCIAccount " + name)
	case removal.InUse != "":
		return access.NewProblem(infrav1.LoadBalancerInUseReason, "OCI refuses to delete the load balancer in OCIAccount %s: %s", name, removal.InUse)
	case !removal.Gone:
		return doing
	case status.ID == "" && len(removal.Elsewhere) == 0 && !e.r.cache.emptyFor(accountKey{s.infra.UID, balancerKey}, s.options.ListLag):
		// One made a moment ago, whose OCID was lost in a crash, may not be listed yet.
		return access.NewProblem(infrav1.DeletingReason, "Checking that OCIAccount %s has no load balancer", name)
	}
	status.State = string(oci.StateDeleted)
	for _, other := range removal.Elsewhere {
		claims.Left(e.r.Recorder, s.infra, other.Claim, "Load balancer "+other.ID)
	}
	switch {
	case removal.Untagged:
		leftUntagged(e.r.Recorder, s.infra, "Load balancer "+status.ID)
	case status.ID != "" && len(removal.Elsewhere) == 0:
		ctrl.LoggerFrom(ctx).Info("Deleted the load balancer", "OCIAccount", klog.KRef("", name), "loadBalancer", status.ID)
	}
	return nil
}

// balancerKey stands for the load balancer among names of accounts, in which there is no slash.
const balancerKey = "/load-balancer"

func (e loadBalancerEndpoint) remove(ctx context.Context, s *scope, name string) (loadbalancer.Removal, error) {
	c, err := e.r.clientOf(ctx, s, name)
	if err != nil {
		return loadbalancer.Removal{}, err
	}
	balancers, err := loadbalancer.In(c, s.infra.Spec.EndpointType)
	if err != nil {
		return loadbalancer.Removal{}, err
	}
	bounded, cancel := context.WithTimeout(oci.Patient(ctx), s.options.AccountTimeout)
	defer cancel()
	status := &s.infra.Status.LoadBalancer
	holder, began := e.r.holder(s, s.infra.LoadBalancerAccount(), status.Claim, status.ID), time.Now()
	going := e.r.cache.pending.Awaits(deleting(s.infra.UID))
	removal, err := balancers.Remove(bounded, identity.OfCluster(s.infra).HeldBy(holder), status.ID, going)
	status.Claim = e.r.nextClaim(s, holder, removal.Claim, status.ID, began)
	return removal, err
}

// Release does nothing: the address went with the load balancer, or is the user's.
func (loadBalancerEndpoint) Release(context.Context, *scope) error { return nil }

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"

	"github.com/oracle/oci-go-sdk/v65/common"
	lb "github.com/oracle/oci-go-sdk/v65/loadbalancer"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

// shapeFlexible is the only shape still offered by OCI (oci-go-sdk
// loadbalancer/create_load_balancer_details.go).
const shapeFlexible = "flexible"

// LoadBalancers are an account's load balancers of the classic kind, with NetworkLoadBalancers'
// methods. Operations of one name in both services have names of their own here, in metrics and
// errors.
type LoadBalancers struct{ c *Client }

// LoadBalancers gives access to the load balancers of the classic kind.
func (c *Client) LoadBalancers() LoadBalancers { return LoadBalancers{c} }

func lbOperation(name string) operation { return operation{service: serviceLB, name: name} }

// List lists the load balancers with the tags, except DELETED ones.
func (l LoadBalancers) List(ctx context.Context, tags map[string]string) ([]Balancer, error) {
	type request = lb.ListLoadBalancersRequest
	type response = lb.ListLoadBalancersResponse
	items, err := listAll(ctx, l.c, pager[request, response, lb.LoadBalancer]{
		op:      lbOperation("ListLoadBalancers"),
		do:      l.c.loadBalancer.ListLoadBalancers,
		request: request{CompartmentId: &l.c.compartmentID},
		turn:    func(r *request, page *string) { r.Page = page },
		read:    func(r response) ([]lb.LoadBalancer, *string) { return r.Items, r.OpcNextPage },
	})
	if err != nil {
		return nil, err
	}
	var found []Balancer
	for _, item := range items {
		if one := loadBalancer(item); one.State != StateDeleted && one.HasTags(tags) {
			found = append(found, one)
		}
	}
	return found, nil
}

// Get returns one, DELETED ones too while OCI shows them.
func (l LoadBalancers) Get(ctx context.Context, id string) (Balancer, error) {
	response, err := call(ctx, l.c, lbOperation("GetLoadBalancer").on(id),
		l.c.loadBalancer.GetLoadBalancer, lb.GetLoadBalancerRequest{LoadBalancerId: &id})
	return loadBalancer(response.LoadBalancer), err
}

// Create asks for one. The OCID is empty: the work request has it.
func (l LoadBalancers) Create(ctx context.Context, spec BalancerSpec) (id, workRequestID string, err error) {
	details := lb.CreateLoadBalancerDetails{
		CompartmentId: &l.c.compartmentID, DisplayName: &spec.DisplayName, SubnetIds: []string{spec.SubnetID}, IsPrivate: &spec.Private,
		ShapeName: common.String(shapeFlexible), ShapeDetails: lbShape(spec.Bandwidth),
		NetworkSecurityGroupIds: spec.NSGIDs, FreeformTags: spec.Tags,
		Listeners: map[string]lb.ListenerDetails{}, BackendSets: map[string]lb.BackendSetDetails{},
	}
	if spec.ReservedIPID != "" {
		details.ReservedIps = []lb.ReservedIp{{Id: &spec.ReservedIPID}}
	}
	for name, listener := range spec.Listeners {
		details.Listeners[name] = lb.ListenerDetails{
			DefaultBackendSetName: &listener.BackendSet, Port: &listener.Port, Protocol: &listener.Protocol,
		}
	}
	for name, set := range spec.BackendSets {
		details.BackendSets[name] = lb.BackendSetDetails{Policy: &set.Policy, HealthChecker: lbHealthCheck(set.Health)}
	}
	workRequestID, err = balancerChange(ctx, l.c, lbOperation("CreateLoadBalancer"), l.c.loadBalancer.CreateLoadBalancer,
		lb.CreateLoadBalancerRequest{CreateLoadBalancerDetails: details, OpcRetryToken: optional(spec.RetryToken)},
		func(r lb.CreateLoadBalancerResponse) *string { return r.OpcWorkRequestId })
	return "", workRequestID, err
}

// Delete asks for the end of one.
func (l LoadBalancers) Delete(ctx context.Context, own ownership.Proof) (workRequestID string, err error) {
	id := own.ID()
	return balancerChange(ctx, l.c, lbOperation("DeleteLoadBalancer").on(id), l.c.loadBalancer.DeleteLoadBalancer,
		lb.DeleteLoadBalancerRequest{LoadBalancerId: &id},
		func(r lb.DeleteLoadBalancerResponse) *string { return r.OpcWorkRequestId })
}

// CreateBackendSet adds a backend set, without backends.
func (l LoadBalancers) CreateBackendSet(ctx context.Context, own ownership.Proof, name string, set BackendSet) (workRequestID string, err error) {
	id := own.ID()
	return balancerChange(ctx, l.c, lbOperation("CreateLoadBalancerBackendSet").on(id), l.c.loadBalancer.CreateBackendSet,
		lb.CreateBackendSetRequest{LoadBalancerId: &id, CreateBackendSetDetails: lb.CreateBackendSetDetails{
			Name: &name, Policy: &set.Policy, HealthChecker: lbHealthCheck(set.Health),
		}}, func(r lb.CreateBackendSetResponse) *string { return r.OpcWorkRequestId })
}

// UpdateBackendSet replaces a backend set by the one given, with its backends: this service keeps
// no omitted part.
func (l LoadBalancers) UpdateBackendSet(ctx context.Context, own ownership.Proof, name string, set BackendSet) (workRequestID string, err error) {
	id := own.ID()
	backends := []lb.BackendDetails{}
	for _, b := range set.Backends {
		backends = append(backends, lb.BackendDetails{IpAddress: common.String(b.Address.String()), Port: &b.Port})
	}
	return balancerChange(ctx, l.c, lbOperation("UpdateLoadBalancerBackendSet").on(id), l.c.loadBalancer.UpdateBackendSet,
		lb.UpdateBackendSetRequest{LoadBalancerId: &id, BackendSetName: &name, UpdateBackendSetDetails: lb.UpdateBackendSetDetails{
			Policy: &set.Policy, HealthChecker: lbHealthCheck(set.Health), Backends: backends,
		}}, func(r lb.UpdateBackendSetResponse) *string { return r.OpcWorkRequestId })
}

// CreateListener adds a listener.
func (l LoadBalancers) CreateListener(ctx context.Context, own ownership.Proof, name string, listener Listener) (workRequestID string, err error) {
	id := own.ID()
	return balancerChange(ctx, l.c, lbOperation("CreateLoadBalancerListener").on(id), l.c.loadBalancer.CreateListener,
		lb.CreateListenerRequest{LoadBalancerId: &id, CreateListenerDetails: lb.CreateListenerDetails{
			Name: &name, DefaultBackendSetName: &listener.BackendSet, Port: &listener.Port, Protocol: &listener.Protocol,
		}}, func(r lb.CreateListenerResponse) *string { return r.OpcWorkRequestId })
}

// UpdateListener replaces a listener.
func (l LoadBalancers) UpdateListener(ctx context.Context, own ownership.Proof, name string, listener Listener) (workRequestID string, err error) {
	id := own.ID()
	return balancerChange(ctx, l.c, lbOperation("UpdateLoadBalancerListener").on(id), l.c.loadBalancer.UpdateListener,
		lb.UpdateListenerRequest{LoadBalancerId: &id, ListenerName: &name, UpdateListenerDetails: lb.UpdateListenerDetails{
			DefaultBackendSetName: &listener.BackendSet, Port: &listener.Port, Protocol: &listener.Protocol,
		}}, func(r lb.UpdateListenerResponse) *string { return r.OpcWorkRequestId })
}

// UpdateSecurityGroups replaces its network security groups.
func (l LoadBalancers) UpdateSecurityGroups(ctx context.Context, own ownership.Proof, nsgIDs []string) (workRequestID string, err error) {
	id := own.ID()
	return balancerChange(ctx, l.c, lbOperation("UpdateLoadBalancerNetworkSecurityGroups").on(id),
		l.c.loadBalancer.UpdateNetworkSecurityGroups, lb.UpdateNetworkSecurityGroupsRequest{
			LoadBalancerId:                     &id,
			UpdateNetworkSecurityGroupsDetails: lb.UpdateNetworkSecurityGroupsDetails{NetworkSecurityGroupIds: nsgIDs},
		}, func(r lb.UpdateNetworkSecurityGroupsResponse) *string { return r.OpcWorkRequestId })
}

// UpdateBandwidth changes the bandwidth.
func (l LoadBalancers) UpdateBandwidth(ctx context.Context, own ownership.Proof, bandwidth Bandwidth) (workRequestID string, err error) {
	id := own.ID()
	return balancerChange(ctx, l.c, lbOperation("UpdateLoadBalancerShape").on(id), l.c.loadBalancer.UpdateLoadBalancerShape,
		lb.UpdateLoadBalancerShapeRequest{LoadBalancerId: &id, UpdateLoadBalancerShapeDetails: lb.UpdateLoadBalancerShapeDetails{
			ShapeName: common.String(shapeFlexible), ShapeDetails: lbShape(bandwidth),
		}}, func(r lb.UpdateLoadBalancerShapeResponse) *string { return r.OpcWorkRequestId })
}

// CreateBackend adds a backend to a backend set. Its name is made by OCI.
func (l LoadBalancers) CreateBackend(ctx context.Context, own ownership.Proof, set string, b Backend) (workRequestID string, err error) {
	id := own.ID()
	return balancerChange(ctx, l.c, lbOperation("CreateLoadBalancerBackend").on(id), l.c.loadBalancer.CreateBackend,
		lb.CreateBackendRequest{LoadBalancerId: &id, BackendSetName: &set, CreateBackendDetails: lb.CreateBackendDetails{
			IpAddress: common.String(b.Address.String()), Port: &b.Port,
		}}, func(r lb.CreateBackendResponse) *string { return r.OpcWorkRequestId })
}

// DeleteBackend takes a backend out of a backend set.
func (l LoadBalancers) DeleteBackend(ctx context.Context, own ownership.Proof, set, name string) (workRequestID string, err error) {
	id := own.ID()
	return balancerChange(ctx, l.c, lbOperation("DeleteLoadBalancerBackend").on(id), l.c.loadBalancer.DeleteBackend,
		lb.DeleteBackendRequest{LoadBalancerId: &id, BackendSetName: &set, BackendName: pathPart(name)},
		func(r lb.DeleteBackendResponse) *string { return r.OpcWorkRequestId })
}

// Work returns the progress of a change.
func (l LoadBalancers) Work(ctx context.Context, workRequestID string) (BalancerWork, error) {
	response, err := call(ctx, l.c, lbOperation("GetLoadBalancerWorkRequest").on(workRequestID),
		l.c.loadBalancer.GetWorkRequest, lb.GetWorkRequestRequest{WorkRequestId: &workRequestID})
	if err != nil {
		return BalancerWork{}, err
	}
	work := BalancerWork{BalancerID: value(response.LoadBalancerId)}
	switch response.LifecycleState {
	case lb.WorkRequestLifecycleStateSucceeded:
		work.Ended = true
	case lb.WorkRequestLifecycleStateFailed:
		work.Ended, work.Failure = true, lbFailure(response.WorkRequest)
	}
	return work, nil
}

func lbFailure(work lb.WorkRequest) *cloud.Error {
	if len(work.ErrorDetails) == 0 {
		return workFailure(serviceLB, string(work.LifecycleState), value(work.Message))
	}
	first := work.ErrorDetails[0]
	return workFailure(serviceLB, string(first.ErrorCode), value(first.Message))
}

func lbHealthCheck(h HealthCheck) *lb.HealthCheckerDetails {
	return &lb.HealthCheckerDetails{
		Protocol: &h.Protocol, Port: &h.Port, UrlPath: optional(h.Path), ReturnCode: optional(h.ReturnCode),
		IntervalInMillis: millis(h.Interval), TimeoutInMillis: millis(h.Timeout), Retries: &h.Retries,
	}
}

func lbShape(b Bandwidth) *lb.ShapeDetails {
	return &lb.ShapeDetails{MinimumBandwidthInMbps: &b.Minimum, MaximumBandwidthInMbps: &b.Maximum}
}

func loadBalancer(l lb.LoadBalancer) Balancer {
	out := Balancer{
		Resource: resource(l.Id, l.DisplayName, l.LifecycleState, l.FreeformTags), Private: value(l.IsPrivate),
		NSGIDs: l.NetworkSecurityGroupIds, Listeners: map[string]Listener{}, BackendSets: map[string]BackendSet{},
	}
	if len(l.SubnetIds) > 0 {
		out.SubnetID = l.SubnetIds[0]
	}
	if l.ShapeDetails != nil {
		out.Bandwidth = Bandwidth{Minimum: value(l.ShapeDetails.MinimumBandwidthInMbps), Maximum: value(l.ShapeDetails.MaximumBandwidthInMbps)}
	}
	for _, ip := range l.IpAddresses {
		if a := address(ip.IpAddress); a.Is4() && value(ip.IsPublic) != out.Private {
			out.Address = a
		}
	}
	for name, listener := range l.Listeners {
		out.Listeners[name] = Listener{
			Port: value(listener.Port), Protocol: value(listener.Protocol), BackendSet: value(listener.DefaultBackendSetName),
		}
	}
	for name, s := range l.BackendSets {
		set := BackendSet{Policy: value(s.Policy)}
		if h := s.HealthChecker; h != nil {
			set.Health = HealthCheck{
				Protocol: value(h.Protocol), Port: value(h.Port), Path: value(h.UrlPath), ReturnCode: value(h.ReturnCode),
				Interval: duration(h.IntervalInMillis), Timeout: duration(h.TimeoutInMillis), Retries: value(h.Retries),
			}
		}
		for _, b := range s.Backends {
			set.Backends = append(set.Backends, Backend{Name: value(b.Name), Address: address(b.IpAddress), Port: value(b.Port)})
		}
		out.BackendSets[name] = set
	}
	return out
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"

	"github.com/oracle/oci-go-sdk/v65/common"
	nlb "github.com/oracle/oci-go-sdk/v65/networkloadbalancer"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

// NetworkLoadBalancers are an account's network load balancers. All changes are asynchronous: they
// return the OCID of a work request, and answer cloud.Conflict while another change is under way.
type NetworkLoadBalancers struct{ c *Client }

// NetworkLoadBalancers gives access to the network load balancers.
func (c *Client) NetworkLoadBalancers() NetworkLoadBalancers { return NetworkLoadBalancers{c} }

func nlbOperation(name string) operation { return operation{service: serviceNLB, name: name} }

// List lists the load balancers with the tags, except DELETED ones.
func (n NetworkLoadBalancers) List(ctx context.Context, tags map[string]string) ([]Balancer, error) {
	type request = nlb.ListNetworkLoadBalancersRequest
	type response = nlb.ListNetworkLoadBalancersResponse
	items, err := listAll(ctx, n.c, pager[request, response, nlb.NetworkLoadBalancerSummary]{
		op:      nlbOperation("ListNetworkLoadBalancers"),
		do:      n.c.networkLoadBalancer.ListNetworkLoadBalancers,
		request: request{CompartmentId: &n.c.compartmentID},
		turn:    func(r *request, page *string) { r.Page = page },
		read:    func(r response) ([]nlb.NetworkLoadBalancerSummary, *string) { return r.Items, r.OpcNextPage },
	})
	if err != nil {
		return nil, err
	}
	var found []Balancer
	for _, item := range items {
		one := networkLoadBalancer(nlb.NetworkLoadBalancer{
			Id: item.Id, DisplayName: item.DisplayName, LifecycleState: item.LifecycleState, FreeformTags: item.FreeformTags,
			IpAddresses: item.IpAddresses, IsPrivate: item.IsPrivate, SubnetId: item.SubnetId,
			NetworkSecurityGroupIds: item.NetworkSecurityGroupIds, Listeners: item.Listeners, BackendSets: item.BackendSets,
		})
		if one.State != StateDeleted && one.HasTags(tags) {
			found = append(found, one)
		}
	}
	return found, nil
}

// Get returns one, DELETED ones too while OCI shows them.
func (n NetworkLoadBalancers) Get(ctx context.Context, id string) (Balancer, error) {
	response, err := call(ctx, n.c, nlbOperation("GetNetworkLoadBalancer").on(id),
		n.c.networkLoadBalancer.GetNetworkLoadBalancer, nlb.GetNetworkLoadBalancerRequest{NetworkLoadBalancerId: &id})
	return networkLoadBalancer(response.NetworkLoadBalancer), err
}

// Create asks for one.
func (n NetworkLoadBalancers) Create(ctx context.Context, spec BalancerSpec) (id, workRequestID string, err error) {
	details := nlb.CreateNetworkLoadBalancerDetails{
		CompartmentId: &n.c.compartmentID, DisplayName: &spec.DisplayName, SubnetId: &spec.SubnetID, IsPrivate: &spec.Private,
		NetworkSecurityGroupIds: spec.NSGIDs, FreeformTags: spec.Tags,
		Listeners: map[string]nlb.ListenerDetails{}, BackendSets: map[string]nlb.BackendSetDetails{},
	}
	if spec.ReservedIPID != "" {
		details.ReservedIps = []nlb.ReservedIp{{Id: &spec.ReservedIPID}}
	}
	if spec.PrivateIP.IsValid() {
		details.AssignedPrivateIpv4 = common.String(spec.PrivateIP.String())
	}
	for name, l := range spec.Listeners {
		details.Listeners[name] = nlb.ListenerDetails{
			Name: &name, DefaultBackendSetName: &l.BackendSet, Port: &l.Port, Protocol: nlb.ListenerProtocolsEnum(l.Protocol),
		}
	}
	for name, set := range spec.BackendSets {
		h := nlbHealthCheck(set.Health)
		details.BackendSets[name] = nlb.BackendSetDetails{
			Policy: nlb.NetworkLoadBalancingPolicyEnum(set.Policy), IsPreserveSource: &set.PreserveSource, IsFailOpen: &set.FailOpen,
			Backends: []nlb.Backend{}, HealthChecker: &nlb.HealthChecker{
				Protocol: h.Protocol, Port: h.Port, UrlPath: h.UrlPath, ReturnCode: h.ReturnCode,
				IntervalInMillis: h.IntervalInMillis, TimeoutInMillis: h.TimeoutInMillis, Retries: h.Retries,
			},
		}
	}
	response, err := call(ctx, n.c, nlbOperation("CreateNetworkLoadBalancer"), n.c.networkLoadBalancer.CreateNetworkLoadBalancer,
		nlb.CreateNetworkLoadBalancerRequest{CreateNetworkLoadBalancerDetails: details, OpcRetryToken: optional(spec.RetryToken)})
	return value(response.Id), value(response.OpcWorkRequestId), err
}

// Delete asks for the end of one.
func (n NetworkLoadBalancers) Delete(ctx context.Context, own ownership.Proof) (workRequestID string, err error) {
	id := own.ID()
	return balancerChange(ctx, n.c, nlbOperation("DeleteNetworkLoadBalancer").on(id), n.c.networkLoadBalancer.DeleteNetworkLoadBalancer,
		nlb.DeleteNetworkLoadBalancerRequest{NetworkLoadBalancerId: &id},
		func(r nlb.DeleteNetworkLoadBalancerResponse) *string { return r.OpcWorkRequestId })
}

// CreateBackendSet adds a backend set, without backends.
func (n NetworkLoadBalancers) CreateBackendSet(ctx context.Context, own ownership.Proof, name string, set BackendSet) (workRequestID string, err error) {
	id := own.ID()
	return balancerChange(ctx, n.c, nlbOperation("CreateBackendSet").on(id), n.c.networkLoadBalancer.CreateBackendSet,
		nlb.CreateBackendSetRequest{NetworkLoadBalancerId: &id, CreateBackendSetDetails: nlb.CreateBackendSetDetails{
			Name: &name, Policy: nlb.NetworkLoadBalancingPolicyEnum(set.Policy), HealthChecker: nlbHealthCheck(set.Health),
			IsPreserveSource: &set.PreserveSource, IsFailOpen: &set.FailOpen,
		}}, func(r nlb.CreateBackendSetResponse) *string { return r.OpcWorkRequestId })
}

// UpdateBackendSet replaces a backend set by the one given, with its backends: OCI does not
// document whether it keeps omitted ones.
func (n NetworkLoadBalancers) UpdateBackendSet(ctx context.Context, own ownership.Proof, name string, set BackendSet) (workRequestID string, err error) {
	id := own.ID()
	backends := []nlb.BackendDetails{}
	for _, b := range set.Backends {
		backends = append(backends, nlb.BackendDetails{
			Name: optional(b.Name), IpAddress: common.String(b.Address.String()), Port: &b.Port,
		})
	}
	return balancerChange(ctx, n.c, nlbOperation("UpdateBackendSet").on(id), n.c.networkLoadBalancer.UpdateBackendSet,
		nlb.UpdateBackendSetRequest{NetworkLoadBalancerId: &id, BackendSetName: &name, UpdateBackendSetDetails: nlb.UpdateBackendSetDetails{
			Policy: &set.Policy, HealthChecker: nlbHealthCheck(set.Health),
			IsPreserveSource: &set.PreserveSource, IsFailOpen: &set.FailOpen, Backends: backends,
		}}, func(r nlb.UpdateBackendSetResponse) *string { return r.OpcWorkRequestId })
}

// CreateListener adds a listener.
func (n NetworkLoadBalancers) CreateListener(ctx context.Context, own ownership.Proof, name string, l Listener) (workRequestID string, err error) {
	id := own.ID()
	return balancerChange(ctx, n.c, nlbOperation("CreateListener").on(id), n.c.networkLoadBalancer.CreateListener,
		nlb.CreateListenerRequest{NetworkLoadBalancerId: &id, CreateListenerDetails: nlb.CreateListenerDetails{
			Name: &name, DefaultBackendSetName: &l.BackendSet, Port: &l.Port, Protocol: nlb.ListenerProtocolsEnum(l.Protocol),
		}}, func(r nlb.CreateListenerResponse) *string { return r.OpcWorkRequestId })
}

// UpdateListener changes a listener.
func (n NetworkLoadBalancers) UpdateListener(ctx context.Context, own ownership.Proof, name string, l Listener) (workRequestID string, err error) {
	id := own.ID()
	return balancerChange(ctx, n.c, nlbOperation("UpdateListener").on(id), n.c.networkLoadBalancer.UpdateListener,
		nlb.UpdateListenerRequest{NetworkLoadBalancerId: &id, ListenerName: &name, UpdateListenerDetails: nlb.UpdateListenerDetails{
			DefaultBackendSetName: &l.BackendSet, Port: &l.Port, Protocol: nlb.ListenerProtocolsEnum(l.Protocol),
		}}, func(r nlb.UpdateListenerResponse) *string { return r.OpcWorkRequestId })
}

// UpdateSecurityGroups replaces its network security groups.
func (n NetworkLoadBalancers) UpdateSecurityGroups(ctx context.Context, own ownership.Proof, nsgIDs []string) (workRequestID string, err error) {
	id := own.ID()
	return balancerChange(ctx, n.c, nlbOperation("UpdateNetworkSecurityGroups").on(id), n.c.networkLoadBalancer.UpdateNetworkSecurityGroups,
		nlb.UpdateNetworkSecurityGroupsRequest{
			NetworkLoadBalancerId:              &id,
			UpdateNetworkSecurityGroupsDetails: nlb.UpdateNetworkSecurityGroupsDetails{NetworkSecurityGroupIds: nsgIDs},
		}, func(r nlb.UpdateNetworkSecurityGroupsResponse) *string { return r.OpcWorkRequestId })
}

// UpdateBandwidth does nothing: a network load balancer has no bandwidth of its own.
func (NetworkLoadBalancers) UpdateBandwidth(context.Context, ownership.Proof, Bandwidth) (workRequestID string, err error) {
	return "", nil
}

// CreateBackend adds a backend to a backend set, under the given name.
func (n NetworkLoadBalancers) CreateBackend(ctx context.Context, own ownership.Proof, set string, b Backend) (workRequestID string, err error) {
	id := own.ID()
	return balancerChange(ctx, n.c, nlbOperation("CreateBackend").on(id), n.c.networkLoadBalancer.CreateBackend,
		nlb.CreateBackendRequest{NetworkLoadBalancerId: &id, BackendSetName: &set, CreateBackendDetails: nlb.CreateBackendDetails{
			Name: optional(b.Name), IpAddress: common.String(b.Address.String()), Port: &b.Port,
		}}, func(r nlb.CreateBackendResponse) *string { return r.OpcWorkRequestId })
}

// DeleteBackend takes a backend out of a backend set.
func (n NetworkLoadBalancers) DeleteBackend(ctx context.Context, own ownership.Proof, set, name string) (workRequestID string, err error) {
	id := own.ID()
	return balancerChange(ctx, n.c, nlbOperation("DeleteBackend").on(id), n.c.networkLoadBalancer.DeleteBackend,
		nlb.DeleteBackendRequest{NetworkLoadBalancerId: &id, BackendSetName: &set, BackendName: pathPart(name)},
		func(r nlb.DeleteBackendResponse) *string { return r.OpcWorkRequestId })
}

// Work returns the progress of a change.
func (n NetworkLoadBalancers) Work(ctx context.Context, workRequestID string) (BalancerWork, error) {
	response, err := call(ctx, n.c, nlbOperation("GetNetworkLoadBalancerWorkRequest").on(workRequestID),
		n.c.networkLoadBalancer.GetWorkRequest, nlb.GetWorkRequestRequest{WorkRequestId: &workRequestID})
	if err != nil {
		return BalancerWork{}, err
	}
	work := BalancerWork{}
	for _, resource := range response.Resources {
		work.BalancerID = value(resource.Identifier)
	}
	switch response.Status {
	case nlb.OperationStatusSucceeded:
		work.Ended = true
	case nlb.OperationStatusFailed, nlb.OperationStatusCanceled:
		work.Ended = true
		work.Failure = workFailure(serviceNLB, string(response.Status), "OCI gave no reason")
		var list nlb.ListWorkRequestErrorsResponse
		list, err = call(ctx, n.c, nlbOperation("ListNetworkLoadBalancerWorkRequestErrors").on(workRequestID),
			n.c.networkLoadBalancer.ListWorkRequestErrors,
			nlb.ListWorkRequestErrorsRequest{WorkRequestId: &workRequestID, CompartmentId: &n.c.compartmentID})
		if err == nil && len(list.Items) > 0 {
			work.Failure = workFailure(serviceNLB, value(list.Items[0].Code), value(list.Items[0].Message))
		}
	}
	return work, err
}

func nlbHealthCheck(h HealthCheck) *nlb.HealthCheckerDetails {
	return &nlb.HealthCheckerDetails{
		Protocol: nlb.HealthCheckProtocolsEnum(h.Protocol), Port: &h.Port, UrlPath: optional(h.Path), ReturnCode: optional(h.ReturnCode),
		IntervalInMillis: millis(h.Interval), TimeoutInMillis: millis(h.Timeout), Retries: &h.Retries,
	}
}

func networkLoadBalancer(n nlb.NetworkLoadBalancer) Balancer {
	out := Balancer{
		Resource: resource(n.Id, n.DisplayName, n.LifecycleState, n.FreeformTags), Private: value(n.IsPrivate),
		SubnetID: value(n.SubnetId), NSGIDs: n.NetworkSecurityGroupIds,
		Listeners: map[string]Listener{}, BackendSets: map[string]BackendSet{},
	}
	for _, ip := range n.IpAddresses {
		if a := address(ip.IpAddress); a.Is4() && value(ip.IsPublic) != out.Private {
			out.Address = a
		}
	}
	for name, l := range n.Listeners {
		out.Listeners[name] = Listener{Port: value(l.Port), Protocol: string(l.Protocol), BackendSet: value(l.DefaultBackendSetName)}
	}
	for name, s := range n.BackendSets {
		set := BackendSet{Policy: string(s.Policy), PreserveSource: value(s.IsPreserveSource), FailOpen: value(s.IsFailOpen)}
		if h := s.HealthChecker; h != nil {
			set.Health = HealthCheck{
				Protocol: string(h.Protocol), Port: value(h.Port), Path: value(h.UrlPath), ReturnCode: value(h.ReturnCode),
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

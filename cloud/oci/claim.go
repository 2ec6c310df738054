// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"maps"

	"github.com/oracle/oci-go-sdk/v65/core"
	lb "github.com/oracle/oci-go-sdk/v65/loadbalancer"
	nlb "github.com/oracle/oci-go-sdk/v65/networkloadbalancer"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

// TagChange changes one free-form tag of a resource, and leaves the others. It is refused with
// cloud.Conflict if the tag is not From any more, or anything else of the resource has changed
// between the read and the change: the calls replace all tags (oci-go-sdk
// core/update_instance_details.go).
type TagChange struct{ Key, From, To string }

// apply returns the tags with the change.
func (t TagChange) apply(op operation, tags map[string]string) (map[string]string, error) {
	if tags[t.Key] != t.From {
		return nil, &cloud.Error{
			Kind: cloud.Conflict, Service: op.service, Operation: op.name, NotSent: true,
			Message: cloud.Scrub("the tag " + t.Key + " has changed meanwhile"),
		}
	}
	changed := maps.Clone(tags)
	changed[t.Key] = t.To
	return changed, nil
}

// UpdateInstanceTag changes one tag of an instance, and returns the instance as it is then.
func (c *Client) UpdateInstanceTag(ctx context.Context, own ownership.Proof, change TagChange) (Instance, error) {
	id := own.ID()
	seen, err := call(ctx, c, operation{service: serviceCompute, name: "GetInstance"}.on(id),
		c.compute.GetInstance, core.GetInstanceRequest{InstanceId: &id})
	if err != nil {
		return Instance{}, err
	}
	op := operation{service: serviceCompute, name: "UpdateInstance"}.on(id)
	tags, err := change.apply(op, seen.FreeformTags)
	if err != nil {
		return Instance{}, err
	}
	updated, err := call(ctx, c, op, c.compute.UpdateInstance, core.UpdateInstanceRequest{
		InstanceId: &id, IfMatch: seen.Etag, UpdateInstanceDetails: core.UpdateInstanceDetails{FreeformTags: tags},
	})
	if err != nil {
		return Instance{}, err
	}
	return instance(updated.Instance), nil
}

// UpdateVCNTag changes one tag of a VCN.
func (c *Client) UpdateVCNTag(ctx context.Context, own ownership.Proof, change TagChange) error {
	id := own.ID()
	seen, err := call(ctx, c, operation{service: serviceNetwork, name: "GetVcn"}.on(id),
		c.network.GetVcn, core.GetVcnRequest{VcnId: &id})
	if err != nil {
		return err
	}
	op := operation{service: serviceNetwork, name: "UpdateVcn"}.on(id)
	tags, err := change.apply(op, seen.FreeformTags)
	if err != nil {
		return err
	}
	_, err = call(ctx, c, op, c.network.UpdateVcn,
		core.UpdateVcnRequest{VcnId: &id, IfMatch: seen.Etag, UpdateVcnDetails: core.UpdateVcnDetails{FreeformTags: tags}})
	return err
}

// UpdateTag changes one tag of a load balancer.
func (l LoadBalancers) UpdateTag(ctx context.Context, own ownership.Proof, change TagChange) (workRequestID string, err error) {
	id := own.ID()
	seen, err := call(ctx, l.c, lbOperation("GetLoadBalancer").on(id),
		l.c.loadBalancer.GetLoadBalancer, lb.GetLoadBalancerRequest{LoadBalancerId: &id})
	if err != nil {
		return "", err
	}
	op := lbOperation("UpdateLoadBalancer").on(id)
	tags, err := change.apply(op, seen.FreeformTags)
	if err != nil {
		return "", err
	}
	return balancerChange(ctx, l.c, op, l.c.loadBalancer.UpdateLoadBalancer, lb.UpdateLoadBalancerRequest{
		LoadBalancerId: &id, IfMatch: seen.ETag, UpdateLoadBalancerDetails: lb.UpdateLoadBalancerDetails{FreeformTags: tags},
	}, func(r lb.UpdateLoadBalancerResponse) *string { return r.OpcWorkRequestId })
}

// UpdateTag changes one tag of a load balancer.
func (n NetworkLoadBalancers) UpdateTag(ctx context.Context, own ownership.Proof, change TagChange) (workRequestID string, err error) {
	id := own.ID()
	seen, err := call(ctx, n.c, nlbOperation("GetNetworkLoadBalancer").on(id),
		n.c.networkLoadBalancer.GetNetworkLoadBalancer, nlb.GetNetworkLoadBalancerRequest{NetworkLoadBalancerId: &id})
	if err != nil {
		return "", err
	}
	op := nlbOperation("UpdateNetworkLoadBalancer").on(id)
	tags, err := change.apply(op, seen.FreeformTags)
	if err != nil {
		return "", err
	}
	return balancerChange(ctx, n.c, op, n.c.networkLoadBalancer.UpdateNetworkLoadBalancer, nlb.UpdateNetworkLoadBalancerRequest{
		NetworkLoadBalancerId: &id, IfMatch: seen.Etag, UpdateNetworkLoadBalancerDetails: nlb.UpdateNetworkLoadBalancerDetails{FreeformTags: tags},
	}, func(r nlb.UpdateNetworkLoadBalancerResponse) *string { return r.OpcWorkRequestId })
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package loadbalancer

import (
	"context"
	"fmt"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

// service is one kind of load balancers in one account.
type service interface {
	List(ctx context.Context, tags map[string]string) ([]oci.Balancer, error)
	Get(ctx context.Context, id string) (oci.Balancer, error)
	Create(ctx context.Context, spec oci.BalancerSpec) (id, workRequestID string, err error)
	Delete(ctx context.Context, own ownership.Proof) (workRequestID string, err error)
	CreateBackendSet(ctx context.Context, own ownership.Proof, name string, set oci.BackendSet) (workRequestID string, err error)
	UpdateBackendSet(ctx context.Context, own ownership.Proof, name string, set oci.BackendSet) (workRequestID string, err error)
	CreateListener(ctx context.Context, own ownership.Proof, name string, listener oci.Listener) (workRequestID string, err error)
	UpdateListener(ctx context.Context, own ownership.Proof, name string, listener oci.Listener) (workRequestID string, err error)
	UpdateSecurityGroups(ctx context.Context, own ownership.Proof, nsgIDs []string) (workRequestID string, err error)
	UpdateTag(ctx context.Context, own ownership.Proof, change oci.TagChange) (workRequestID string, err error)
	UpdateBandwidth(ctx context.Context, own ownership.Proof, bandwidth oci.Bandwidth) (workRequestID string, err error)
	CreateBackend(ctx context.Context, own ownership.Proof, set string, backend oci.Backend) (workRequestID string, err error)
	DeleteBackend(ctx context.Context, own ownership.Proof, set, name string) (workRequestID string, err error)
	Work(ctx context.Context, workRequestID string) (oci.BalancerWork, error)
}

var (
	_ service = oci.NetworkLoadBalancers{}
	_ service = oci.LoadBalancers{}
)

// Account is the load balancers of one kind in one account.
type Account struct {
	service
	kind  infrav1.EndpointType
	probe func(context.Context) error
}

// In is the client's account. kind is one that has a load balancer.
func In(c *oci.Client, kind infrav1.EndpointType) (Account, error) {
	account := Account{kind: kind, probe: c.ProbeCompartment}
	switch kind {
	case infrav1.EndpointNetworkLoadBalancer:
		account.service = c.NetworkLoadBalancers()
	case infrav1.EndpointLoadBalancer:
		account.service = c.LoadBalancers()
	default:
		return Account{}, fmt.Errorf("endpoint type %q has no load balancer", kind)
	}
	return account, nil
}

// find looks for the load balancer by its OCID or, if that is unknown, by its tags. A DELETED one
// is not found. OCI answers 404 for lost permission too, and permission is given for each service
// by itself: a 404 proves nothing but with an authorised list of load balancers after it, and what
// that list shows is there. Of several with the tags, not on their way out, it is the one with the
// lowest OCID: every call finds the same one.
func (a Account) find(ctx context.Context, owner ownership.Owner, id string) (balancer oci.Balancer, found bool, err error) {
	if id != "" {
		balancer, err = a.Get(ctx, id)
		if !cloud.IsKind(err, cloud.NotFoundOrUnauthorized) {
			return balancer, err == nil && balancer.State != oci.StateDeleted, err
		}
	}
	all, err := a.List(ctx, owner.Tags())
	for _, candidate := range all {
		if !found || rank(candidate) < rank(balancer) {
			balancer, found = candidate, true
		}
	}
	return balancer, found, err
}

func rank(b oci.Balancer) string {
	if b.State == oci.StateDeleting {
		return "2" + b.ID
	}
	return "1" + b.ID
}

// ended checks a work request's progress. OCI forgets them after a while: an unknown one has ended.
func (a Account) ended(ctx context.Context, workRequestID string) (oci.BalancerWork, error) {
	work, err := a.Work(ctx, workRequestID)
	if cloud.IsKind(err, cloud.NotFoundOrUnauthorized) {
		return oci.BalancerWork{Ended: true}, nil
	}
	return work, err
}

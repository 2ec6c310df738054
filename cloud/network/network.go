// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"fmt"
	"net/netip"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

// State is the observed state of a network.
type State struct {
	// Ready is set once machines may be placed in the subnet.
	Ready bool
	// Doing names the unfinished work; empty once Ready.
	Doing string
	// VCNID is set as soon as the VCN is known, Ready or not.
	VCNID string
	// SubnetID and NetworkSecurityGroupIDs are where VNICs go.
	SubnetID                string
	NetworkSecurityGroupIDs []string
	// LoadBalancerGroupID is the security group for the cluster's load balancer; empty if there is
	// to be none.
	LoadBalancerGroupID string
	// Ranges are the VCN's IPv4 ranges, or the subnet's if the account may not read its VCN.
	Ranges []netip.Prefix
	// PublicIP says whether VNICs get public addresses.
	PublicIP bool
	// Claim is the decision about the VCN; nil if there is no VCN.
	Claim *ownership.Judgement
}

// ensureClient has the methods of *oci.Client for Ensure.
type ensureClient interface {
	vcnClient
	gatewayClient
	routeClient
	groupClient
	subnetClient
}

// work is one Ensure. Steps fill it in order.
type work struct {
	owner ownership.Owner
	tags  map[string]string
	spec  infrav1.ManagedNetwork
	// recorded is the OCID of the VCN seen last; empty if none was.
	recorded  string
	vcn       oci.VCN
	gatewayID string
	tableID   string
	groupID   string
	// subnets are the cluster's in its VCN. Set by the step that compares.
	subnets  []oci.Subnet
	subnetID string
	// port is the API server's if a load balancer leads to it; the load balancer is then in the
	// group balancerGroupID.
	port            int
	balancerGroupID string
	balancerGroup   ownership.Proof
	claim           *ownership.Judgement
}

// Ensure creates the cluster's managed network in the client's account and repairs differences from
// spec: routes, gateways that are turned off, rules of the security group, rules added to the VCN's
// default security list, the subnet's route table and security lists. It goes as far as OCI allows
// without waiting; call it again while the state is not Ready. Besides the client's errors there is
// cloud.InvalidRequest for a network of another spec, or one that lost its tags. vcnID is the VCN
// seen last, empty if none was: no other is made while it lives. balancerPort is the API server's
// port if the cluster's load balancer is to be in the network, 0 if none is.
func Ensure(
	ctx context.Context, c ensureClient, owner ownership.Owner, spec infrav1.ManagedNetwork, vcnID string, balancerPort int,
) (State, error) {
	w := &work{owner: owner, tags: owner.Tags(), spec: spec, recorded: vcnID, port: balancerPort}
	steps := []struct {
		name string
		run  func(context.Context, *work) (done bool, err error)
	}{
		{"the VCN", vcnStep{c}.run},
		{"the network", subnetStep{c}.compare},
		{"the VCN's default security list", defaultListStep{c}.run},
		{"the gateway", gatewayStep{c}.run},
		{"the route table", routeStep{c}.run},
		{"the load balancer's security group", groupStep{c}.balancer},
		{"the network security group", groupStep{c}.run},
		{"the rules of the load balancer's security group", groupStep{c}.balancerRules},
		{"the subnet", subnetStep{c}.run},
	}
	for _, step := range steps {
		done, err := step.run(ctx, w)
		if err != nil {
			return State{VCNID: w.vcn.ID, Doing: step.name, Claim: w.claim}, err
		}
		if !done {
			return State{VCNID: w.vcn.ID, Doing: step.name, Claim: w.claim}, nil
		}
	}
	return State{
		Ready: true, Ranges: w.vcn.CIDRs, VCNID: w.vcn.ID, SubnetID: w.subnetID, NetworkSecurityGroupIDs: []string{w.groupID},
		LoadBalancerGroupID: w.balancerGroupID, PublicIP: !spec.Gateway.IsPrivate(), Claim: w.claim,
	}, nil
}

// children narrows lists to this cluster's resources in its VCN.
func (w *work) children() oci.ListFilter {
	return oci.ListFilter{VCNID: w.vcn.ID, Tags: w.owner.Tags()}
}

// displayName is for people; it is not unique in an account.
func (w *work) displayName() string { return w.owner.Namespace() + "-" + w.owner.Name() }

// proof proves a resource to be the owner's: it was listed by the owner's tags, or made with them.
func proof(owner ownership.Owner, resource oci.Resource) (ownership.Proof, error) {
	own, proven := owner.Tagged(resource.ID, resource.Tags)
	if !proven {
		return own, &cloud.Error{Kind: cloud.InvalidRequest, Message: cloud.Scrub(fmt.Sprintf(
			"%s does not carry the tags of cluster %s, so that it is left alone: put the tags back", resource.ID, owner))}
	}
	return own, nil
}

// attempts bounds the search for a usable retry token.
const attempts = 5

// create creates one resource, however often it is called: the retry token is the same for the same
// owner and payload, so OCI answers a repetition with the first call's resource, even while its
// lists do not show it yet. A token is used up once its resource is deleted (409
// InvalidatedRetryToken, OCI documentation, "API Errors"); then the next one is taken.
func create[T any](owner ownership.Owner, payload []string, call func(token string) (T, error)) (made T, err error) {
	for attempt := range attempts {
		made, err = call(cloud.RetryToken(append([]string{owner.Digest(), fmt.Sprint(attempt)}, payload...)...))
		if !cloud.IsRetryTokenUsed(err) {
			break
		}
	}
	return made, err
}

// pick returns the resource to work with: the one with the lowest OCID, so every call picks the
// same one. Resources on their way out are skipped; leaving is set if there are no others.
func pick[T any](items []T, resource func(T) oci.Resource) (picked T, found, leaving bool) {
	for _, item := range items {
		if resource(item).State.IsEnding() {
			leaving = true
			continue
		}
		if !found || resource(item).ID < resource(picked).ID {
			picked, found = item, true
		}
	}
	return picked, found, leaving && !found
}

// usable tells whether a resource can be built upon.
func usable(r oci.Resource) bool {
	return r.State == oci.StateAvailable || r.State == oci.StateUpdating
}

func parse(text, field string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return prefix, &cloud.Error{
			Kind: cloud.InvalidRequest, Message: cloud.Scrub(fmt.Sprintf("%s %q is not an IPv4 network", field, text)),
		}
	}
	return prefix.Masked(), nil
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

// deleteClient has the methods of *oci.Client for Delete.
type deleteClient interface {
	findClient
	ListSubnets(ctx context.Context, filter oci.ListFilter) ([]oci.Subnet, error)
	DeleteSubnet(ctx context.Context, own ownership.Proof) error
	ListNetworkSecurityGroups(ctx context.Context, filter oci.ListFilter) ([]oci.NetworkSecurityGroup, error)
	DeleteNetworkSecurityGroup(ctx context.Context, own ownership.Proof) error
	ListRouteTables(ctx context.Context, filter oci.ListFilter) ([]oci.RouteTable, error)
	UpdateRouteTable(ctx context.Context, own ownership.Proof, update oci.RouteTableUpdate) error
	DeleteRouteTable(ctx context.Context, own ownership.Proof) error
	ListInternetGateways(ctx context.Context, filter oci.ListFilter) ([]oci.InternetGateway, error)
	DeleteInternetGateway(ctx context.Context, own ownership.Proof) error
	ListNATGateways(ctx context.Context, filter oci.ListFilter) ([]oci.NATGateway, error)
	DeleteNATGateway(ctx context.Context, own ownership.Proof) error
	DeleteVCN(ctx context.Context, own ownership.Proof) error
	claimClient
}

type findClient interface {
	ListVCNs(ctx context.Context, tags map[string]string) ([]oci.VCN, error)
	vcnReader
	ProbeCompartment(ctx context.Context) error
}

// Claiming is a Removal's Doing while the VCN is claimed from another management cluster, and while
// that one may object.
const Claiming = "claiming the VCN from another management cluster"

// Removal is the progress of a Delete.
type Removal struct {
	// Gone is set once no VCN of the cluster is left, and so nothing in one, on proof.
	Gone bool
	// InUse is set while foreign resources are in the way: machines, or resources put into the VCN
	// by others. It is OCI's message.
	InUse string
	// Doing names the resource being deleted; empty once Gone.
	Doing string
	// VCNID is the VCN being deleted: remember it for the next call, to look for proof of its end.
	VCNID string
	// After is when it is worth calling Delete again; 0 if nothing is known of that.
	After time.Duration
	// Claim is the decision about this VCN; nil if there is no VCN.
	Claim *ownership.Judgement
	// Elsewhere are the VCNs of the cluster held by another management cluster: they are left.
	Elsewhere []ownership.HeldElsewhereError
	// Untagged is set with Gone if the VCN seen last lives without the cluster's tags: it is left.
	Untagged bool
}

// Delete removes the cluster's managed network in the client's account, in the reverse order of
// Ensure. It does not wait: call it again until the network is Gone. vcnID is the VCN seen last,
// empty if none was: the only proof of absence is then an empty authorised list, and OCI's lists
// may be empty for a moment after a creation. Resources without the cluster's tag are never
// touched. k is what the calls before have seen, to be dropped with an error and with a Removal
// that is InUse.
func Delete(ctx context.Context, c deleteClient, owner ownership.Owner, vcnID string, k *Clearing) (Removal, error) {
	if told, quiet := k.quiet(); quiet {
		return told, nil
	}
	if vcn := k.vcn; vcn != nil {
		removal, err := k.delete(ctx, c, owner, *vcn)
		if err == nil && removal.Doing == "" {
			removal = k.await(Removal{Doing: vcnName, VCNID: vcn.ID})
		}
		return removal, err
	}
	vcns, untagged, err := k.remaining(ctx, c, owner, vcnID)
	if err != nil {
		return Removal{}, err
	}
	var left Removal
	for _, vcn := range vcns {
		// What is remembered is of one VCN.
		of := k
		if len(vcns) > 1 {
			of = NewClearing(k.waits)
		}
		removal, err := of.delete(ctx, c, owner, vcn)
		var elsewhere *ownership.HeldElsewhereError
		if errors.As(err, &elsewhere) {
			left.Elsewhere, left.Claim = append(left.Elsewhere, *elsewhere), removal.Claim
			continue
		}
		if err != nil || removal.Doing != "" {
			removal.VCNID = vcn.ID
			return removal, err
		}
	}
	if len(vcns) > len(left.Elsewhere) {
		return k.await(Removal{Doing: vcnName, VCNID: vcns[0].ID}), nil
	}
	k.over()
	if vcnID == "" {
		if err := c.ProbeCompartment(ctx); err != nil {
			return Removal{}, err
		}
	}
	left.Gone, left.Untagged = true, untagged
	return left, nil
}

func listed(vcns []oci.VCN, id string) bool {
	for _, vcn := range vcns {
		if vcn.ID == id {
			return true
		}
	}
	return false
}

// remaining are the cluster's VCNs. OCI answers 404 for what is gone and for lost permission, so
// the VCN of vcnID is gone only by an authorised list after the 404. A list can miss what is there,
// so a VCN that it does not show is read. One whose deletion was asked for is read first: the list
// comes after it anyway.
func (k *Clearing) remaining(
	ctx context.Context, c findClient, owner ownership.Owner, vcnID string,
) (vcns []oci.VCN, untagged bool, err error) {
	var seen []oci.VCN
	first := k.deleted && vcnID != ""
	if first {
		if seen, untagged, err = lookUp(ctx, c, owner, vcnID); err != nil {
			return nil, false, err
		}
	}
	vcns, err = c.ListVCNs(ctx, owner.Tags())
	if err != nil || vcnID == "" || listed(vcns, vcnID) {
		return vcns, false, err
	}
	if !first {
		if seen, untagged, err = lookUp(ctx, c, owner, vcnID); err != nil {
			return nil, false, err
		}
		if len(seen) == 0 {
			vcns, err = c.ListVCNs(ctx, owner.Tags())
			return vcns, untagged, err
		}
	}
	return append(vcns, seen...), untagged, nil
}

// removal deletes one kind of resource. It reports those that were left.
type removal struct {
	name   string
	list   func(context.Context, oci.ListFilter) ([]oci.Resource, error)
	delete func(context.Context, ownership.Proof) error
}

// delete deletes one VCN as far as it goes. It is done, with nothing left to do, once the deletion
// of the VCN was accepted.
func (k *Clearing) delete(ctx context.Context, c deleteClient, owner ownership.Owner, vcn oci.VCN) (Removal, error) {
	if vcn.State == oci.StateTerminating {
		return Removal{}, nil
	}
	var claim *ownership.Judgement
	ours, err := hold(ctx, c, owner, vcn, &claim)
	switch {
	case err != nil:
		return Removal{Claim: claim}, err
	case !ours || !claim.Settled:
		return Removal{Doing: Claiming, Claim: claim}, nil
	}
	k.vcn = &vcn
	name, done, err := k.clear(ctx, c, owner, claim.Proof)
	switch inUse := conflict(err); {
	case inUse != "" && k.wrong():
		return k.await(Removal{Doing: name, VCNID: vcn.ID}), nil
	case inUse != "":
		assumed := k.assumed() && name == vcnName
		*k = *NewClearing(k.waits)
		if assumed {
			// What goes along may not be gone yet: the next call looks.
			return Removal{Doing: vcnName, VCNID: vcn.ID}, nil
		}
		return Removal{Doing: name, InUse: inUse, VCNID: vcn.ID}, nil
	case err != nil:
		return Removal{Doing: name, VCNID: vcn.ID}, err
	case !done:
		return k.await(Removal{Doing: name, VCNID: vcn.ID}), nil
	}
	return Removal{}, nil
}

// vcnName names the VCN in what is told.
const vcnName = "the VCN"

// The kinds of a VCN's parts.
const (
	kindSubnet = iota
	kindGroup
	kindTable
	kindInternet
	kindNAT
)

// kindsOf are the kinds of a VCN's parts, by their numbers.
func kindsOf(c deleteClient) [kindNAT + 1]removal {
	return [...]removal{
		kindSubnet: {"the subnet", resources(c.ListSubnets, func(n oci.Subnet) oci.Resource { return n.Resource }), c.DeleteSubnet},
		kindGroup: {
			"the network security group",
			resources(c.ListNetworkSecurityGroups, func(g oci.NetworkSecurityGroup) oci.Resource { return g.Resource }),
			c.DeleteNetworkSecurityGroup,
		},
		kindTable: {"the route table", resources(c.ListRouteTables, func(t oci.RouteTable) oci.Resource { return t.Resource }), c.DeleteRouteTable},
		kindInternet: {
			"the internet gateway",
			resources(c.ListInternetGateways, func(g oci.InternetGateway) oci.Resource { return g.Resource }),
			c.DeleteInternetGateway,
		},
		kindNAT: {"the NAT gateway", resources(c.ListNATGateways, func(g oci.NATGateway) oci.Resource { return g.Resource }), c.DeleteNATGateway},
	}
}

func (r removal) run(ctx context.Context, owner ownership.Owner, filter oci.ListFilter) (left []string, err error) {
	found, err := r.list(ctx, filter)
	if err != nil {
		return nil, err
	}
	for _, resource := range found {
		left = append(left, resource.ID)
		if resource.State == oci.StateTerminating {
			continue
		}
		own, err := proof(owner, resource)
		if err != nil {
			return nil, err
		}
		if err := ignoreNotFound(r.delete(ctx, own)); err != nil {
			return nil, fmt.Errorf("%s: %w", r.name, err)
		}
	}
	return left, nil
}

func resources[T any](list func(context.Context, oci.ListFilter) ([]T, error), resource func(T) oci.Resource,
) func(context.Context, oci.ListFilter) ([]oci.Resource, error) {
	return func(ctx context.Context, filter oci.ListFilter) ([]oci.Resource, error) {
		items, err := list(ctx, filter)
		out := make([]oci.Resource, 0, len(items))
		for _, item := range items {
			out = append(out, resource(item))
		}
		return out, err
	}
}

// ignoreNotFound is for deletions: the next list tells a missing resource from an invisible one.
func ignoreNotFound(err error) error {
	if cloud.IsKind(err, cloud.NotFoundOrUnauthorized) {
		return nil
	}
	return err
}

// conflict is OCI's message if a deletion was refused because of the resource's content.
func conflict(err error) string {
	var e *cloud.Error
	if errors.As(err, &e) && e.Kind == cloud.Conflict {
		return e.Message
	}
	return ""
}

var (
	_ ensureClient   = (*oci.Client)(nil)
	_ deleteClient   = (*oci.Client)(nil)
	_ existingClient = (*oci.Client)(nil)
)

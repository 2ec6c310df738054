// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

type gatewayClient interface {
	ListInternetGateways(ctx context.Context, filter oci.ListFilter) ([]oci.InternetGateway, error)
	CreateInternetGateway(ctx context.Context, spec oci.GatewaySpec) (oci.InternetGateway, error)
	SetInternetGatewayEnabled(ctx context.Context, own ownership.Proof, enabled bool) error
	ListNATGateways(ctx context.Context, filter oci.ListFilter) ([]oci.NATGateway, error)
	CreateNATGateway(ctx context.Context, spec oci.GatewaySpec) (oci.NATGateway, error)
	SetNATGatewayBlocked(ctx context.Context, own ownership.Proof, blocked bool) error
}

// gatewayStep makes the one gateway of the spec, and turns its traffic on.
type gatewayStep struct{ gatewayClient }

func (s gatewayStep) run(ctx context.Context, w *work) (bool, error) {
	ensure := s.internet
	if w.spec.Gateway.IsPrivate() {
		ensure = s.nat
	}
	gateway, leaving, err := ensure(ctx, w)
	if err != nil || leaving {
		return false, err
	}
	w.gatewayID = gateway.ID
	return usable(gateway), nil
}

func (s gatewayStep) internet(ctx context.Context, w *work) (gateway oci.Resource, leaving bool, err error) {
	found, err := s.ListInternetGateways(ctx, w.children())
	if err != nil {
		return gateway, false, err
	}
	picked, ok, leaving := pick(found, func(g oci.InternetGateway) oci.Resource { return g.Resource })
	if ok && usable(picked.Resource) && !picked.Enabled {
		return picked.Resource, false, w.turn(ctx, picked.Resource, s.SetInternetGatewayEnabled, true)
	}
	if ok || leaving {
		return picked.Resource, leaving, nil
	}
	made, err := create(w.owner, []string{"internetgateway", w.vcn.ID}, func(token string) (oci.InternetGateway, error) {
		return s.CreateInternetGateway(ctx, w.gatewaySpec(token))
	})
	return made.Resource, false, err
}

func (s gatewayStep) nat(ctx context.Context, w *work) (gateway oci.Resource, leaving bool, err error) {
	found, err := s.ListNATGateways(ctx, w.children())
	if err != nil {
		return gateway, false, err
	}
	picked, ok, leaving := pick(found, func(g oci.NATGateway) oci.Resource { return g.Resource })
	if ok && usable(picked.Resource) && picked.BlockTraffic {
		return picked.Resource, false, w.turn(ctx, picked.Resource, s.SetNATGatewayBlocked, false)
	}
	if ok || leaving {
		return picked.Resource, leaving, nil
	}
	made, err := create(w.owner, []string{"natgateway", w.vcn.ID}, func(token string) (oci.NATGateway, error) {
		return s.CreateNATGateway(ctx, w.gatewaySpec(token))
	})
	return made.Resource, false, err
}

func (w *work) turn(
	ctx context.Context, gateway oci.Resource, call func(context.Context, ownership.Proof, bool) error, to bool,
) error {
	own, err := proof(w.owner, gateway)
	if err != nil {
		return err
	}
	return call(ctx, own, to)
}

func (w *work) gatewaySpec(token string) oci.GatewaySpec {
	return oci.GatewaySpec{VCNID: w.vcn.ID, DisplayName: w.displayName(), Tags: w.tags, RetryToken: token}
}

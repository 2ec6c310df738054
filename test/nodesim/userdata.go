// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package nodesim

import (
	"encoding/base64"
	"errors"
	"net"
	"net/netip"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/cloudinit"
)

// nodeConfig is the content of a node's user data.
type nodeConfig struct {
	hostname          string
	controlPlane      bool
	authKey           string
	kubernetesVersion string
	providerID        string
	// vip is the route to the control planes' advertised address; invalid when the endpoint is
	// outside of the tailnet.
	vip netip.Prefix
	// agent tells whether the node has the agent for updates of versions in place.
	agent bool
	// bootstrap is the bootstrap provider's data.
	bootstrap []byte
}

// readUserData takes the value of the metadata key user_data apart, as
// cloud-init and the node's scripts do.
func readUserData(i Instance) (nodeConfig, error) {
	if i.UserData == "" {
		return nodeConfig{}, errors.New("the instance has no user data")
	}
	data, err := base64.StdEncoding.DecodeString(i.UserData)
	if err != nil {
		return nodeConfig{}, errors.New("the user data is not valid base64")
	}
	parsed, err := cloudinit.Parse(data)
	if err != nil {
		return nodeConfig{}, err
	}
	_, agent := parsed.Files["usr/local/sbin/capom-update"]
	config := nodeConfig{
		agent:    agent,
		hostname: parsed.HostnameOf(i.ID), controlPlane: parsed.ControlPlane, authKey: string(parsed.AuthKey),
		kubernetesVersion: parsed.KubernetesVersion, providerID: parsed.ProviderIDPrefix + i.ID, bootstrap: parsed.Bootstrap,
	}
	if parsed.VIP {
		address, err := netip.ParseAddr(parsed.EndpointHost)
		if err != nil {
			return nodeConfig{}, errors.New("the VIP is not an IP address")
		}
		config.vip = netip.PrefixFrom(address, address.BitLen())
	}
	return config, nil
}

// check refuses data that would leave a real node half set up.
func (c nodeConfig) check(run kubeadmRun) error {
	if c.controlPlane != run.controlPlane {
		return refusal("the node's role and the kubeadm configuration do not agree about being a control plane")
	}
	host, _, err := net.SplitHostPort(run.endpoint)
	if err != nil {
		return refusal("the control plane endpoint %q is not host:port", run.endpoint)
	}
	if c.vip.IsValid() && c.vip.Addr().String() != host {
		return refusal("kubeadm is to use %s as control plane endpoint, but the control planes hold %s", host, c.vip.Addr())
	}
	return nil
}

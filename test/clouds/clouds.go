// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package clouds simulates the surroundings of clusters on one machine: accounts of Oracle Cloud, a
// tailnet, and nodes on the instances.
package clouds

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/nodesim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/user"
)

// TailnetName is the name of the Tailnet.
const TailnetName = "mesh"

const (
	// providerTag is the OAuth client's; it owns the other two, since a client may not choose among
	// tags of its own.
	providerTag     = "tag:capom"
	nodeTag         = "tag:capom-node"
	controlPlaneTag = "tag:capom-control-plane"
)

// Options configure the clouds.
type Options struct {
	Accounts []*user.Account
	// Tailnet is the kind of control server; Tailscale's by default.
	Tailnet tailnetsim.Mode
	// VIPRange is the Tailnet's, and PublicIPs is where OCI's public addresses come from. Both must
	// be in the loopback network, local as a whole on Linux: API servers listen on these addresses
	// without root.
	VIPRange  string
	PublicIPs netip.Prefix
	// Timings of the nodes.
	Timings nodesim.Timings
	// Log receives the consoles of the nodes.
	Log logr.Logger
}

// Clouds are the running simulators. Close ends them.
type Clouds struct {
	OCI     *sim.Sim
	Tailnet *tailnetsim.Server
	Booter  *nodesim.Booter

	options Options
	oauth   tailnetsim.OAuthClient
}

// Start starts the simulators. On an error nothing is left running.
func Start(ctx context.Context, o Options) (*Clouds, error) {
	c := &Clouds{options: o}
	if err := c.start(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Clouds) start(ctx context.Context) error {
	var err error
	if c.Tailnet, err = tailnetsim.New(tailnetsim.Options{
		Mode:      c.options.Tailnet,
		TagOwners: map[string][]string{providerTag: {"group:admins"}, nodeTag: {providerTag}, controlPlaneTag: {providerTag}},
	}); err != nil {
		return err
	}
	if err := c.Tailnet.Start(); err != nil {
		return err
	}
	c.Tailnet.AddNeighbours(tailnetsim.Neighbours{ClusterTags: []string{nodeTag}})
	c.oauth = c.Tailnet.AddClient([]string{"auth_keys", "devices:core", "devices:routes"}, []string{providerTag})
	if c.Booter, err = nodesim.New(context.WithoutCancel(ctx), nodesim.Options{
		Tailnet: c.Tailnet, Balanced: func(instance string) bool { return c.OCI.IsBackend(instance) },
		Log: c.options.Log, Timings: c.options.Timings,
	}); err != nil {
		return err
	}
	if c.OCI, err = sim.New(sim.Options{
		Tenancies: user.Tenancies(c.options.Accounts), Booter: nodesim.OCI{Booter: c.Booter}, PublicIPs: c.options.PublicIPs,
	}); err != nil {
		return err
	}
	return c.OCI.Start("127.0.0.1:0")
}

// Close ends the simulators, the newest first.
func (c *Clouds) Close() error {
	var err error
	if c.Booter != nil {
		c.Booter.Close()
	}
	if c.OCI != nil {
		err = c.OCI.Close()
	}
	if c.Tailnet != nil {
		c.Tailnet.Close()
	}
	return err
}

// Objects are the clouds' Tailnet and OCIAccounts, each after its Secret.
func (c *Clouds) Objects(allowed infrav1.AllowedNamespaces) []client.Object {
	spec := infrav1.TailnetSpec{
		NodeTags: []string{nodeTag}, ControlPlaneTags: []string{controlPlaneTag}, VIPRange: c.options.VIPRange,
		AllowedNamespaces: allowed,
	}
	if c.options.Tailnet == tailnetsim.Headscale {
		spec.LoginServer = c.Tailnet.URL()
	} else {
		spec.APIURL = c.Tailnet.URL()
	}
	objects := user.TailnetObjects(TailnetName, infrav1.OAuthClient,
		map[string]string{infrav1.TailnetClientIDKey: c.oauth.ID, infrav1.TailnetClientSecretKey: c.oauth.Secret}, spec)
	for _, account := range c.options.Accounts {
		objects = append(objects, account.Objects(c.OCI.URL(), allowed)...)
	}
	return objects
}

// Leftovers describes every resource of the accounts, every device and every usable key.
func (c *Clouds) Leftovers() ([]string, error) {
	var left []string
	for _, a := range c.options.Accounts {
		resources, err := c.OCI.Leftovers(a.Name)
		if err != nil {
			return nil, err
		}
		for _, r := range resources {
			left = append(left, fmt.Sprintf("%s: %s %q is %s", a.Name, r.Kind, r.DisplayName, r.LifecycleState))
		}
	}
	rest := c.Tailnet.Leftovers()
	for _, device := range rest.Devices {
		left = append(left, fmt.Sprintf("tailnet: device %q", device.Hostname))
	}
	for _, key := range rest.Keys {
		left = append(left, fmt.Sprintf("tailnet: key %s, with which a machine could still join", key.ID))
	}
	return left, nil
}

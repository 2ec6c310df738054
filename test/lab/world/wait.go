// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/podnetwork"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/watch"
)

// tailnet is the range of all tailnets' addresses.
var tailnet = netip.MustParsePrefix("100.64.0.0/10")

// WaitComplete waits until all machines are ready, the control planes at a
// version, and everything Available. It installs the probes as soon as the API
// server answers. show may be nil.
func (c *Cluster) WaitComplete(ctx context.Context, timeout time.Duration, version string, show func(watch.Snapshot)) error {
	installed := false
	return c.world.WaitFor(ctx, timeout, func(ctx context.Context) string {
		s, err := c.Snapshot(ctx)
		if err != nil {
			return err.Error()
		}
		if show != nil {
			show(s)
		}
		if !installed {
			if err := c.InstallProbes(ctx); err != nil {
				return "the probes: " + err.Error()
			}
			installed = true
		}
		return s.Complete(c.ControlPlanes, c.Workers, version)
	})
}

// WaitGone waits until nothing of the cluster is left in the management cluster.
func (c *Cluster) WaitGone(ctx context.Context, timeout time.Duration, show func(watch.Snapshot)) error {
	return c.world.WaitFor(ctx, timeout, func(ctx context.Context) string {
		s, err := c.Snapshot(ctx)
		if err != nil {
			return err.Error()
		}
		if show != nil {
			show(s)
		}
		if !s.Empty() {
			return "the Cluster and what belongs to it to be gone"
		}
		return ""
	})
}

// Nodes are the cluster's nodes.
func (c *Cluster) Nodes(ctx context.Context) ([]corev1.Node, error) {
	workload, err := c.Client(ctx)
	if err != nil {
		return nil, err
	}
	var nodes corev1.NodeList
	if err := workload.List(ctx, &nodes); err != nil {
		return nil, fmt.Errorf("list the nodes: %w", err)
	}
	return nodes.Items, nil
}

// CheckNodes compares the nodes with the instances: each has a tailnet address as
// InternalIP and the OCID of a running instance in its provider ID. It returns a
// line for each node.
func (c *Cluster) CheckNodes(ctx context.Context) ([]string, error) {
	nodes, err := c.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	var lines []string
	var errs []error
	for _, node := range nodes {
		address := InternalIP(node)
		lines = append(lines, fmt.Sprintf("%s  %s  %s", node.Name, address, node.Spec.ProviderID))
		if !address.IsValid() || !tailnet.Contains(address) {
			errs = append(errs, fmt.Errorf("node %s has no tailnet address as InternalIP", node.Name))
		}
		id, found := strings.CutPrefix(node.Spec.ProviderID, "oci://")
		if !found || c.world.OCI.InstanceState(id) != "RUNNING" {
			errs = append(errs, fmt.Errorf("node %s has the provider ID %q, which is no running instance's", node.Name, node.Spec.ProviderID))
		}
	}
	if want := c.ControlPlanes + c.Workers; len(nodes) != want {
		errs = append(errs, fmt.Errorf("there are %d nodes, want %d", len(nodes), want))
	}
	return lines, errors.Join(errs...)
}

// InternalIP is a node's first InternalIP; the zero value for none.
func InternalIP(node corev1.Node) netip.Addr {
	for _, a := range node.Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			address, _ := netip.ParseAddr(a.Address)
			return address
		}
	}
	return netip.Addr{}
}

// MissingPods describes failed connections of pods; it is empty when all reach all.
func (c *Cluster) MissingPods(ctx context.Context) string {
	probes, err := c.Probes(ctx)
	if err != nil {
		return err.Error()
	}
	return probes.Missing(ctx)
}

// Probes are the pods for answering and asking, one on each node.
func (c *Cluster) Probes(ctx context.Context) (*podnetwork.Probes, error) {
	config, err := c.Config(ctx)
	if err != nil {
		return nil, err
	}
	return podnetwork.FindProbes(ctx, config, c.ControlPlanes+c.Workers)
}

// NothingLeft checks the clouds themselves: no resource in any tenancy, no device but the
// management host's, no key still good for joining.
func (w *World) NothingLeft() error {
	var left []string
	for _, a := range w.accounts {
		resources, err := w.OCI.Leftovers(a.Name)
		if err != nil {
			return err
		}
		for _, r := range resources {
			left = append(left, fmt.Sprintf("%s: %s %q is %s", a.Name, r.Kind, r.DisplayName, r.LifecycleState))
		}
	}
	rest, err := w.Tailnet.Leftovers(context.Background())
	if err != nil {
		return err
	}
	for _, device := range rest.Devices {
		if device.Hostname != managementHostname && device.Hostname != routersHostname {
			left = append(left, fmt.Sprintf("tailnet: device %q", device.Hostname))
		}
	}
	for _, key := range rest.Keys {
		left = append(left, fmt.Sprintf("tailnet: key %s, with which a machine could still join", key.ID))
	}
	if len(left) > 0 {
		return errors.New("left behind:\n  " + strings.Join(left, "\n  "))
	}
	return nil
}

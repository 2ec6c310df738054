// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetnode

import (
	"context"
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
)

type routerOf struct {
	devices  []tailnet.Device
	approved []netip.Prefix
}

func (r *routerOf) ApproveRoutes(_ context.Context, _ ownership.Proof, prefixes ...netip.Prefix) error {
	r.approved = append(r.approved, prefixes...)
	return nil
}

func (r *routerOf) Devices(context.Context) ([]tailnet.Device, error) { return r.devices, nil }

// Users choose their Cluster's pod network, and root on a node what it advertises.
func TestT1GetsNoRouteToTheInternet(t *testing.T) {
	for name, world := range map[string]struct {
		pods, route string
		size        int32
	}{
		"a resolver of the Internet": {"8.8.8.0/24", "8.8.8.0/25", 25},
		"a whole block of it":        {"0.0.0.0/0", "8.0.0.0/8", 8},
		"more than is private":       {"0.0.0.0/0", "172.0.0.0/8", 8},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			node := tailnet.Device{ID: "node", Name: "node", Routes: tailnet.Routes{Advertised: []netip.Prefix{netip.MustParsePrefix(world.route)}}}
			router := &routerOf{devices: []tailnet.Device{node}}
			cluster := &clusterv1.Cluster{}
			cluster.Spec.ClusterNetwork.Pods.CIDRBlocks = []string{world.pods}
			infra := &infrav1.OCIMeshCluster{}
			infra.Spec.PodNetwork.NodeCIDRMaskSize = world.size
			approval, err := approvePodRoute(t.Context(), router, podRoute{
				Device: node, Tailnet: &infrav1.Tailnet{}, Cluster: cluster, Infra: infra,
			})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(router.approved).To(BeEmpty())
			g.Expect(approval.Finding.Reason).To(Equal(infrav1.PodRouteRefusedReason))
		})
	}
}

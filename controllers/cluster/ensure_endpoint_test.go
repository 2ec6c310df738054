// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"testing"

	. "github.com/onsi/gomega"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

func TestEndpoints(t *testing.T) {
	t.Parallel()
	for name, world := range map[string]struct {
		change change
		host   string
		port   int32
	}{
		"from the tailnet's range": {func(*clusterv1.Cluster, *infrav1.OCIMeshCluster) {}, "10.250.0.1", 6443},
		"with the Cluster's port": {
			func(cluster *clusterv1.Cluster, _ *infrav1.OCIMeshCluster) {
				cluster.Spec.ClusterNetwork.APIServerPort = 443
			},
			"10.250.0.1", 443,
		},
		"given by the user, of the range": {
			func(_ *clusterv1.Cluster, infra *infrav1.OCIMeshCluster) {
				infra.Spec.ControlPlaneEndpoint.Host = "10.250.0.9"
			},
			"10.250.0.9", 6443,
		},
		"external, given here": {
			func(_ *clusterv1.Cluster, infra *infrav1.OCIMeshCluster) {
				infra.Spec.EndpointType, infra.Spec.ControlPlaneEndpoint.Host = infrav1.EndpointExternal, "api.example.com"
			},
			"api.example.com", 6443,
		},
		"external, given in the Cluster": {
			func(cluster *clusterv1.Cluster, infra *infrav1.OCIMeshCluster) {
				infra.Spec.EndpointType = infrav1.EndpointExternal
				cluster.Spec.ControlPlaneEndpoint = clusterv1.APIEndpoint{Host: "api.example.com", Port: 8443}
			},
			"api.example.com", 8443,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, helpers.WorldOptions{Accounts: 1})
			infra := b.cluster("c1", world.change)

			b.until(infra, "Ready True Ready")

			b.g.Expect(infra.Spec.ControlPlaneEndpoint).To(Equal(infrav1.APIEndpoint{Host: world.host, Port: world.port}))
			b.g.Expect(infra.Status.Initialization.Provisioned).To(HaveValue(BeTrue()))
		})
	}
}

func TestEndpointsThatCannotBeHad(t *testing.T) {
	t.Parallel()
	for name, world := range map[string]struct {
		change  change
		options helpers.WorldOptions
		reason  string
		message string
	}{
		"external and not given": {
			change: func(_ *clusterv1.Cluster, infra *infrav1.OCIMeshCluster) {
				infra.Spec.EndpointType = infrav1.EndpointExternal
			},
			reason: infrav1.EndpointMissingReason, message: "spec.controlPlaneEndpoint",
		},
		"range overlaps pods": {
			change: func(cluster *clusterv1.Cluster, _ *infrav1.OCIMeshCluster) {
				cluster.Spec.ClusterNetwork.Pods.CIDRBlocks = []string{"10.250.0.0/16"}
			},
			reason: infrav1.VIPRangeOverlapReason, message: "the pod range 10.250.0.0/16: change one of them",
		},
		"range overlaps services": {
			change: func(cluster *clusterv1.Cluster, _ *infrav1.OCIMeshCluster) {
				cluster.Spec.ClusterNetwork.Services.CIDRBlocks = []string{"10.250.0.128/25"}
			},
			reason: infrav1.VIPRangeOverlapReason, message: "the service range",
		},
		"range overlaps a VCN": {
			change:  func(*clusterv1.Cluster, *infrav1.OCIMeshCluster) {},
			options: helpers.WorldOptions{VIPRange: "10.0.240.0/24"},
			reason:  infrav1.VIPRangeOverlapReason, message: "the VCN range of account",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			world.options.Accounts = 1
			b := newBench(t, world.options)
			infra := b.cluster("c1", world.change)

			b.until(infra, "EndpointReady False "+world.reason)

			b.g.Expect(helpers.MessageOf(infra, infrav1.EndpointReadyCondition)).To(ContainSubstring(world.message))
			b.g.Expect(infra.Spec.ControlPlaneEndpoint.Host).To(BeEmpty())
			b.g.Expect(infra.Status.Initialization.Provisioned).To(BeNil())
			b.Reload(t, b.Tailnet)
			b.g.Expect(b.Tailnet.Status.VIPAllocations).To(BeEmpty(), "no address is taken in vain")
		})
	}
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// apart has no range in common with the templates' clusters.
func apart(cluster *clusterv1.Cluster, infra *infrav1.OCIMeshCluster) {
	pods("172.20.0.0/16")(cluster, infra)
	services("172.21.0.0/16")(cluster, infra)
	vcn("172.22.0.0/16")(cluster, infra)
}

func external(_ *clusterv1.Cluster, infra *infrav1.OCIMeshCluster) {
	infra.Spec.EndpointType = infrav1.EndpointExternal
	infra.Spec.ControlPlaneEndpoint = infrav1.APIEndpoint{Host: "api.example.com", Port: 6443}
}

func TestAVIPRangeThatIsPutOverALivingClusterGivesNoAddress(t *testing.T) {
	t.Parallel()
	for vips, taken := range map[string]string{
		"10.244.9.0/24": "the pod range 10.244.0.0/16", "10.96.0.0/16": "the service range 10.96.0.0/12",
	} {
		t.Run(taken, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, helpers.WorldOptions{Accounts: 1})
			b.Tailnet = helpers.NewTailnet(b.Namespace+"-2", b.TailnetCredentials, b.Control.URL(), "")
			b.Create(t, b.Tailnet)
			b.SetReady(t, b.Tailnet, metav1.ConditionTrue, infrav1.ReadyReason, "")
			first := b.cluster("c1", external)
			b.until(first, "Ready True Ready")

			helpers.Update(t, env, b.Tailnet, func(tn *infrav1.Tailnet) { tn.Spec.VIPRange = vips })
			second := b.cluster("c2", apart)
			b.until(second, "EndpointReady False VIPRangeOverlap")
			b.g.Expect(helpers.MessageOf(second, infrav1.EndpointReadyCondition)).To(And(
				ContainSubstring("overlaps "+taken), ContainSubstring("of OCIMeshCluster "+b.Namespace+"/c1, which has machines")))
			b.g.Expect(second.Spec.ControlPlaneEndpoint.Host).To(BeEmpty())
			b.until(first, "RangesDistinct False VIPRangeOverlap")
			b.g.Expect(helpers.ConditionsOf(first)).To(ContainElement("Ready True Ready"), "it lives on")

			b.deleted(first)
			b.until(second, "Ready True Ready")
		})
	}
}

// Users add accounts to living clusters, with networks of their choice.
func TestT1CannotCloseTheVIPRangeByAVCNOverIt(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	b.Tailnet = helpers.NewTailnet(b.Namespace+"-2", b.TailnetCredentials, b.Control.URL(), "")
	b.Create(t, b.Tailnet)
	b.SetReady(t, b.Tailnet, metav1.ConditionTrue, infrav1.ReadyReason, "")
	first := b.cluster("c1", external)
	b.until(first, "Ready True Ready")

	helpers.Update(t, env, b.Tailnet, func(tn *infrav1.Tailnet) { tn.Spec.VIPRange = "10.0.0.0/24" })
	second := b.cluster("c2", apart)

	b.until(second, "Ready True Ready")
	b.until(first, "RangesDistinct False VIPRangeOverlap")
}

// A tenant would keep all others from getting an address.
func TestAClusterWithoutAVIPIsNotPutOverAVIPRange(t *testing.T) {
	t.Parallel()
	for name, over := range map[string]change{"pods": pods("10.250.0.0/16"), "services": services("10.250.0.0/24"), "a VCN": vcn("10.250.0.0/16")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, helpers.WorldOptions{Accounts: 1})
			infra := b.cluster("c1", external, over)
			b.until(infra, "RangesDistinct False VIPRangeOverlap")
			b.g.Expect(infra.Status.Initialization.Provisioned).To(BeNil())
			if name == "a VCN" {
				return
			}
			helpers.Update(t, env, helpers.NewCluster(b.Namespace, "c1"), func(c *clusterv1.Cluster) { apart(c, &infrav1.OCIMeshCluster{}) })
			b.until(infra, "Ready True Ready")
		})
	}
}

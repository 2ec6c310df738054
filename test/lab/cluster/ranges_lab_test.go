// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build lab && cilium

package cluster_test

import (
	. "github.com/onsi/gomega"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/world"
)

// otherPods is a pod network that no cluster and no device of the lab has.
const otherPods = "10.60.0.0/16"

// besideAnother makes a second cluster on the tailnet of the one that lives, with the other mode
// and the same ranges, and then with pods of its own. It gets that far without machines.
func (s *suite) besideAnother(flavor string) {
	running := s.world.Running()
	second, err := s.world.CreateCluster(s.t.Context(), world.ClusterOptions{
		Name: "beside", Flavor: flavor, Version: s.cluster.Version, ControlPlanes: 1, WithoutMachines: true, Change: twoAccounts,
	})
	s.Expect(err).NotTo(HaveOccurred())
	infra := &infrav1.OCIMeshCluster{}
	reason := func(c *world.Cluster) func() (string, error) {
		return func() (string, error) {
			err := s.world.Client.Get(s.t.Context(), client.ObjectKey{Namespace: c.Name, Name: c.Name}, infra)
			return conditions.GetReason(infra, infrav1.RangesDistinctCondition), err
		}
	}
	s.Eventually(reason(second), soon, interval).Should(Equal(infrav1.PodRangeInUseReason))
	s.Expect(conditions.GetMessage(infra, infrav1.RangesDistinctCondition)).To(ContainSubstring("OCIMeshCluster " + s.cluster.Name + "/" + s.cluster.Name))
	s.Expect(infra.Spec.ControlPlaneEndpoint.Host).To(BeEmpty(), "without an address it gets no machine")
	s.Expect(reason(s.cluster)()).To(Equal(infrav1.ReadyReason), "the first lives on")

	object := &clusterv1.Cluster{}
	s.Expect(s.world.Client.Get(s.t.Context(), client.ObjectKey{Namespace: second.Name, Name: second.Name}, object)).To(Succeed())
	before := object.DeepCopy()
	object.Spec.ClusterNetwork.Pods.CIDRBlocks = []string{otherPods}
	s.Expect(s.world.Client.Patch(s.t.Context(), object, client.MergeFrom(before))).To(Succeed())

	s.Eventually(reason(second), soon, interval).Should(Equal(infrav1.ReadyReason))
	s.Eventually(func() (string, error) {
		_, err := reason(second)()
		return infra.Spec.ControlPlaneEndpoint.Host, err
	}, soon, interval).ShouldNot(BeEmpty(), "its machines may come")
	s.Expect(reason(s.cluster)()).To(Equal(infrav1.ReadyReason))
	s.Expect(s.world.Running()).To(Equal(running))
	s.whole()
	s.Expect(second.Delete(s.t.Context())).To(Succeed())
	s.Expect(second.WaitGone(s.t.Context(), settleTimeout, nil)).To(Succeed())
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package move

import (
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/tailnetsim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/watch"
)

func TestAClusterMovesToAnotherManagementClusterAndBackAndNothingOfItChanges(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	w := newWorld(t, 3, tailnetsim.Tailscale, "127.102.0.0/16")
	both := w.startManagement(t, "first", "second")
	first, second := both[0], both[1]
	outside := w.objects()
	first.create(t, outside)
	objects := w.generate(t, first, "", 2)
	pool := ofKinds(w.generate(t, first, "machine-pool", 1), "MachinePool", "KubeadmConfig", "OCIMeshMachinePool")
	first.create(t, append(objects, pool...))
	first.await(t, up(2))

	w.move(t, first, second, 2)
	launched := w.instances(t)

	// There it is as alive as it was.
	deployment := second.await(t, up(2)).Deployment
	second.scale(t, deployment, 3)
	second.await(t, up(3))
	g.Expect(launched).To(HaveLen(4))
	g.Expect(w.instances(t)).To(HaveLen(5))
	g.Expect(w.instances(t)).To(ContainElements(launched))

	w.move(t, second, first, 3)
	// clusterctl leaves behind what is in no namespace, for other clusters.
	second.delete(t, w.objects()...)
	w.polled(t)
	g.Expect(w.changes()).To(BeEmpty())

	first.delete(t, first.await(t, up(3)).Cluster)
	first.await(t, func(s watch.Snapshot) string {
		if s.Empty() {
			return ""
		}
		return "all of the cluster to be gone"
	})
	first.delete(t, append(append(objects, pool...), outside...)...)
	w.expectNothingLeft(t)
}

// up returns what is missing until the cluster is up with so many workers, and one of a machine pool.
func up(workers int) func(watch.Snapshot) string {
	return func(s watch.Snapshot) string {
		if missing := s.Complete(1, workers, version); missing != "" {
			return missing
		}
		return s.PoolComplete(1)
	}
}

// move moves the cluster, and expects it to be the same afterwards, untouched meanwhile.
func (w *world) move(t *testing.T, from, to *management, workers int) {
	t.Helper()
	g := NewWithT(t)
	w.polled(t)
	before, instances, devices := from.holdings(t), w.instances(t), w.devices()
	w.changes()

	w.clusterctlMove(t, "--kubeconfig", from.Kubeconfig, "--to-kubeconfig", to.Kubeconfig)

	to.await(t, up(workers))
	same := func() string { return difference(before, to.holdings(t)) }
	g.Eventually(same, timeout, interval).Should(BeEmpty())
	w.polled(t)
	g.Expect(same()).To(BeEmpty())
	g.Expect(w.changes()).To(BeEmpty(), "calls that change something")
	g.Expect(w.instances(t)).To(Equal(instances))
	g.Expect(w.devices()).To(Equal(devices))
	g.Expect(from.await(t, func(watch.Snapshot) string { return "" }).Empty()).To(BeTrue(), "nothing of the cluster is left behind")
}

func (m *management) scale(t *testing.T, deployment *clusterv1.MachineDeployment, workers int32) {
	t.Helper()
	changed := deployment.DeepCopy()
	changed.Spec.Replicas = ptr.To(workers)
	NewWithT(t).Expect(m.client.Patch(t.Context(), changed, client.MergeFrom(deployment))).To(Succeed())
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package move

import (
	"testing"

	. "github.com/onsi/gomega"

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
	objects = append(objects, ofKinds(w.generate(t, first, "machine-pool", 1), "MachinePool", "KubeadmConfig", "OCIMeshMachinePool")...)
	first.create(t, objects)
	first.await(t, withPool(2))
	launched := w.instances(t)
	g.Expect(launched).To(HaveLen(4))

	w.move(t, first, second, 2)

	// There it is as alive as it was.
	second.scale(t, second.await(t, withPool(2)).Deployment, 3)
	second.await(t, withPool(3))
	g.Expect(w.changes()).To(Equal([]string{"LaunchInstance"}))
	g.Expect(w.instances(t)).To(ContainElements(launched))

	w.move(t, second, first, 3)

	// clusterctl leaves behind what is in no namespace. Once no cluster needs it there, it goes without a trace.
	second.delete(t, w.objects()...)
	w.polled(t)
	g.Expect(w.changes()).To(BeEmpty(), "calls that change something")

	g.Expect(first.client.Delete(t.Context(), first.await(t, withPool(3)).Cluster)).To(Succeed())
	first.await(t, gone)
	first.delete(t, append(objects, outside...)...)
	g.Expect(w.Leftovers()).To(BeEmpty())
}

// move moves the cluster, and expects it to be the same afterwards and untouched meanwhile.
func (w *world) move(t *testing.T, from, to *management, workers int) {
	t.Helper()
	g := NewWithT(t)
	w.polled(t)
	before, instances, devices := from.holdings(t), w.instances(t), w.devices()
	w.changes()

	w.clusterctlMove(t, "--kubeconfig", from.Kubeconfig, "--to-kubeconfig", to.Kubeconfig)

	to.await(t, withPool(workers))
	same := func() string { return difference(before, to.holdings(t)) }
	g.Eventually(same, timeout, interval).Should(BeEmpty())
	w.polled(t)
	g.Expect(same()).To(BeEmpty())
	g.Expect(w.changes()).To(BeEmpty(), "calls that change something")
	g.Expect(w.instances(t)).To(Equal(instances))
	g.Expect(w.devices()).To(Equal(devices))
	left, err := watch.Take(t.Context(), from.client, namespace)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(left.Empty()).To(BeTrue(), "nothing of the cluster is left behind")
}

// withPool returns what is missing until the cluster is up with so many workers, and one of a
// machine pool.
func withPool(workers int) func(watch.Snapshot) string {
	return func(s watch.Snapshot) string {
		if missing := s.Complete(1, workers, version); missing != "" {
			return missing
		}
		return s.PoolComplete(1)
	}
}

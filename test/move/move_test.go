// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package move

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
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
	objects := append(w.generate(t, first, "", 2), w.pool(t, first, 2)...)
	first.create(t, objects)
	first.await(t, with(2, 2))
	launched := w.instances(t)
	g.Expect(launched).To(HaveLen(5))

	w.move(t, first, second, 2, 2)

	// There the cluster works as before.
	before := second.await(t, with(2, 2))
	second.scale(t, before.Deployment, 3)
	second.resize(t, before.Pool, 3)
	second.await(t, with(3, 3))
	g.Expect(w.changes()).To(Equal([]string{"LaunchInstance"}), "and the pool is another size, with the same configuration and key")
	g.Expect(w.instances(t)).To(And(HaveLen(7), ContainElements(launched)))

	w.move(t, second, first, 3, 3)

	// clusterctl leaves cluster-scoped objects behind. Once no cluster uses them there, they go
	// without a trace.
	second.delete(t, w.objects()...)
	w.polled(t)
	g.Expect(w.changes()).To(BeEmpty(), "calls that change something")

	g.Expect(first.client.Delete(t.Context(), first.await(t, with(3, 3)).Cluster)).To(Succeed())
	first.await(t, gone)
	first.delete(t, append(objects, outside...)...)
	g.Expect(w.Leftovers()).To(BeEmpty())
}

// move moves the cluster, and expects it to be the same afterwards and untouched meanwhile.
func (w *world) move(t *testing.T, from, to *management, workers, members int) {
	t.Helper()
	g := NewWithT(t)
	w.polled(t)
	before, instances, devices, keys := from.holdings(t), w.instances(t), w.devices(), w.keys()
	w.changes()

	w.clusterctlMove(t, "--kubeconfig", from.Kubeconfig, "--to-kubeconfig", to.Kubeconfig)

	to.await(t, with(workers, members))
	same := func() string { return difference(before, to.holdings(t)) }
	g.Eventually(same, timeout, interval).Should(BeEmpty())
	w.polled(t)
	g.Expect(same()).To(BeEmpty())
	g.Expect(w.changes()).To(BeEmpty(), "calls that change something")
	g.Expect(w.instances(t)).To(Equal(instances))
	g.Expect(w.devices()).To(Equal(devices))
	g.Expect(w.keys()).To(Equal(keys))
	left, err := watch.Take(t.Context(), from.client, namespace)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(left.Empty()).To(BeTrue(), "nothing of the cluster is left behind")
}

// with returns the missing part until the cluster is up with so many workers, and so many machines
// of the pool.
func with(workers, members int) func(watch.Snapshot) string {
	return func(s watch.Snapshot) string {
		if missing := s.Complete(1, workers, version); missing != "" {
			return missing
		}
		return s.PoolComplete(members)
	}
}

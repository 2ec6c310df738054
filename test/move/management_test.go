// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package move

import (
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/mgmt"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/user"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/watch"
)

// management is a management cluster.
type management struct {
	*mgmt.Environment
	client client.Client
}

// startManagement starts management clusters of these names at once. They end with the test, unless
// they are stopped before.
func (w *world) startManagement(t *testing.T, names ...string) []*management {
	t.Helper()
	started := make([]*management, len(names))
	var all errgroup.Group
	for i, name := range names {
		all.Go(func() error {
			dir := filepath.Join(w.dir, name)
			if err := os.Mkdir(dir, 0o755); err != nil {
				return err
			}
			env, err := mgmt.Start(t.Context(), mgmt.Options{
				Root: programs.root, Dir: dir, Binaries: programs.Binaries,
				Provider: &mgmt.Provider{Binary: programs.manager, Args: []string{"--poll-interval=2s", "--progress-interval=500ms", "--contest-window=20s"}},
			})
			if err != nil {
				return err
			}
			t.Cleanup(func() { _ = env.Stop() })
			started[i] = &management{Environment: env}
			started[i].client, err = user.NewClient(env.Config)
			return err
		})
	}
	NewWithT(t).Expect(all.Wait()).To(Succeed())
	return started
}

// create creates the objects in their order.
func (m *management) create(t *testing.T, objects []client.Object) {
	t.Helper()
	NewWithT(t).Expect(user.Create(t.Context(), m.client, objects)).To(Succeed())
}

// await polls the cluster until nothing is missing any more.
func (m *management) await(t *testing.T, missing func(watch.Snapshot) string) watch.Snapshot {
	t.Helper()
	var last watch.Snapshot
	NewWithT(t).Eventually(func(g Gomega) string {
		g.Expect(m.Failed()).NotTo(Receive())
		var err error
		last, err = watch.Take(t.Context(), m.client, namespace)
		g.Expect(err).NotTo(HaveOccurred())
		return missing(last)
	}, timeout, interval).Should(BeEmpty())
	return last
}

// delete deletes the objects, and waits until they are gone.
func (m *management) delete(t *testing.T, objects ...client.Object) {
	t.Helper()
	g := NewWithT(t)
	for _, o := range objects {
		g.Expect(client.IgnoreNotFound(m.client.Delete(t.Context(), o))).To(Succeed())
	}
	for _, o := range objects {
		g.Eventually(func() error { return m.client.Get(t.Context(), client.ObjectKeyFromObject(o), o) }, timeout, interval).
			Should(Satisfy(apierrors.IsNotFound), "%T %s", o, o.GetName())
	}
}

// scale changes the number of workers.
func (m *management) scale(t *testing.T, deployment *clusterv1.MachineDeployment, workers int32) {
	t.Helper()
	changed := deployment.DeepCopy()
	changed.Spec.Replicas = ptr.To(workers)
	NewWithT(t).Expect(m.client.Patch(t.Context(), changed, client.MergeFrom(deployment))).To(Succeed())
}

// resize changes the number of the pool's machines.
func (m *management) resize(t *testing.T, pool *clusterv1.MachinePool, members int32) {
	t.Helper()
	changed := pool.DeepCopy()
	changed.Spec.Replicas = ptr.To(members)
	NewWithT(t).Expect(m.client.Patch(t.Context(), changed, client.MergeFrom(pool))).To(Succeed())
}

// complete returns the missing part until the cluster is up with so many workers.
func complete(workers int) func(watch.Snapshot) string {
	return func(s watch.Snapshot) string { return s.Complete(1, workers, version) }
}

// gone returns the remains until nothing is left of the cluster.
func gone(s watch.Snapshot) string {
	if s.Empty() {
		return ""
	}
	return "all of the cluster to be gone"
}

func machine(name string) *clusterv1.Machine {
	return &clusterv1.Machine{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
}

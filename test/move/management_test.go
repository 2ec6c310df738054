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
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/mgmt"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/operator"
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
			started[i].client, err = operator.NewClient(env.Config)
			return err
		})
	}
	NewWithT(t).Expect(all.Wait()).To(Succeed())
	return started
}

// create creates the objects in their order.
func (m *management) create(t *testing.T, objects []client.Object) {
	t.Helper()
	NewWithT(t).Expect(operator.Create(t.Context(), m.client, objects)).To(Succeed())
}

// await looks at the cluster until nothing is missing any more.
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

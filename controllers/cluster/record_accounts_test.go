// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"testing"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

func TestNothingIsMadeBeforeFinalizerAndAccountsAreWrittenDown(t *testing.T) {
	t.Parallel()
	for written, next := range []string{"the finalizer", "the accounts"} {
		t.Run(next, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, helpers.WorldOptions{Accounts: 1})
			infra := b.cluster("c1")
			patches := 0
			b.intercept(interceptor.Funcs{
				Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
					if patches++; patches > written {
						return apierrors.NewInternalError(errors.New("nothing is written"))
					}
					return c.Patch(ctx, object, patch, options...)
				},
			})

			_, err := b.reconcile(infra)

			b.g.Expect(err).To(MatchError(ContainSubstring("nothing is written")))
			b.g.Expect(b.count("CreateVcn")).To(BeZero())
			b.intercept(interceptor.Funcs{})
			b.until(infra, "Ready True Ready")
			b.g.Expect(infra.Finalizers).To(ConsistOf(infrav1.OCIMeshClusterFinalizer))
			b.g.Expect(infra.Annotations).To(HaveKeyWithValue(infrav1.NetworkAccountsAnnotation, b.Accounts[0].Name))
		})
	}
}

func TestAPassOverAnOldCopyDoesNotSpoilTheStatus(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 2})
	infra := b.cluster("c1", func(_ *clusterv1.Cluster, infra *infrav1.OCIMeshCluster) {
		if len(infra.Spec.Accounts) > 0 {
			infra.Spec.Accounts = infra.Spec.Accounts[:1]
		}
	})
	b.until(infra, "Ready True Ready")
	old := helpers.NewOCIMeshCluster(helpers.NewCluster(b.Namespace, "c1"), b.Tailnet.Name, b.AccountNames())
	helpers.Update(t, env, infra, func(c *infrav1.OCIMeshCluster) { c.Spec.Accounts = old.Spec.Accounts })
	stale := infra.DeepCopy()
	helpers.Update(t, env, infra, func(c *infrav1.OCIMeshCluster) { c.Labels = map[string]string{"team": "red"} })
	seen := infra.Status.DeepCopy()
	b.intercept(interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			if cluster, ok := object.(*infrav1.OCIMeshCluster); ok && stale != nil {
				stale.DeepCopyInto(cluster)
				stale = nil
				return nil
			}
			return c.Get(ctx, key, object, options...)
		},
	})

	_, err := b.reconcile(infra)

	b.g.Expect(apierrors.IsConflict(err)).To(BeTrue(), "%v", err)
	b.g.Expect(&infra.Status).To(Equal(seen), "machines find their subnets in it")
}

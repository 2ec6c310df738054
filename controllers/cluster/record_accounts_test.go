// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
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

// Of an account that leaves and returns without a pass in between, the status still has the network
// of before.
func TestANetworkOfTheUsersIsNotTakenForTheOneThatIsMadeInItsPlace(t *testing.T) {
	t.Parallel()
	for name, dies := range map[string]bool{"at once": false, "after a process that died before it wrote the status": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, helpers.WorldOptions{Accounts: 2})
			subnet := b.subnetOfTheUsers()
			infra := b.cluster("c1", func(_ *clusterv1.Cluster, infra *infrav1.OCIMeshCluster) {
				if len(infra.Spec.Accounts) > 0 {
					infra.Spec.Accounts[1].Network = infrav1.AccountNetwork{Existing: infrav1.ExistingNetwork{SubnetID: subnet}}
				}
			})
			b.until(infra, "Ready True Ready")
			theirs := infra.Status.Accounts[1].VCNID
			c, err := b.Clients.OCI(t.Context(), b.Accounts[1])
			b.g.Expect(err).NotTo(HaveOccurred())
			before, err := c.GetVCN(t.Context(), theirs)
			b.g.Expect(err).NotTo(HaveOccurred())
			change := func(change func(*infrav1.OCIMeshCluster)) { helpers.Update(t, env, infra, change) }
			returned := *infra.Spec.Accounts[1].DeepCopy()
			returned.Network = infrav1.AccountNetwork{Managed: &infrav1.ManagedNetwork{}}

			change(func(c *infrav1.OCIMeshCluster) { c.Annotations[clusterv1.PausedAnnotation] = "" })
			change(func(c *infrav1.OCIMeshCluster) { c.Spec.Accounts = c.Spec.Accounts[:1] })
			_, err = b.reconcile(infra)
			b.g.Expect(err).NotTo(HaveOccurred())
			change(func(c *infrav1.OCIMeshCluster) { c.Spec.Accounts = append(c.Spec.Accounts, returned) })
			change(func(c *infrav1.OCIMeshCluster) { delete(c.Annotations, clusterv1.PausedAnnotation) })
			if dies {
				b.diesBeforeItWritesTheStatus(infra, b.Accounts[1].Name)
			}
			b.until(infra, "AccountsReady True Ready")
			b.g.Expect(infra.Status.Accounts[1].VCNID).NotTo(BeElementOf("", theirs))

			recorder := events.NewFakeRecorder(1000)
			b.r.Recorder = recorder
			change(func(c *infrav1.OCIMeshCluster) { c.Spec.Accounts = c.Spec.Accounts[:1] })
			b.g.Eventually(func() []infrav1.ClusterAccountStatus {
				b.until(infra, "Ready True Ready")
				return infra.Status.Accounts
			}, timeout, "5ms").Should(HaveLen(1))

			close(recorder.Events)
			for event := range recorder.Events {
				b.g.Expect(event).NotTo(ContainSubstring("LeftUntagged"))
			}
			b.g.Expect(c.GetVCN(t.Context(), theirs)).To(Equal(before))
			left, err := b.OCI.Leftovers(b.Tenancies[1].Name)
			b.g.Expect(err).NotTo(HaveOccurred())
			b.g.Expect(left).To(ConsistOf(HaveField("ID", theirs), HaveField("ID", subnet)))
		})
	}
}

// diesBeforeItWritesTheStatus has a process write down that a network is to be made in the account,
// and nothing more.
func (b *bench) diesBeforeItWritesTheStatus(infra *infrav1.OCIMeshCluster, account string) {
	b.t.Helper()
	b.OCI.AddFault(sim.Fault{Operation: "CreateVcn", Status: 404, Code: "NotAuthorizedOrNotFound", Times: -1})
	b.intercept(interceptor.Funcs{
		SubResourcePatch: func(
			ctx context.Context, c client.Client, name string, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption,
		) error {
			written := &infrav1.OCIMeshCluster{}
			if err := c.Get(ctx, client.ObjectKeyFromObject(object), written); err != nil || slices.Contains(recorded(written), account) {
				return errors.Join(err, apierrors.NewInternalError(errors.New("nothing is written")))
			}
			return c.SubResource(name).Patch(ctx, object, patch, options...)
		},
	})
	b.g.Eventually(func() error { _, err := b.reconcile(infra); return err }, timeout, "5ms").
		Should(MatchError(ContainSubstring("nothing is written")))
	b.OCI.ClearFaults()
	b.restart()
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

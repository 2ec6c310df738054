// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"testing"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

func TestMachinesOfAnotherClusterDoNotCount(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	infra, other, twin := b.cluster("c1"), b.cluster("c2"), &infrav1.OCIMeshCluster{}
	twin.Namespace, twin.Name = env.Namespace(t, nil), infra.Name
	for name, cluster := range map[string]*infrav1.OCIMeshCluster{"ours": infra, "of-another": other, "of-another-namespace": twin} {
		b.machineIn(cluster, name, b.Accounts[0].Name)
	}
	s := newScope(nil, infra, Options{}.withDefaults())

	b.g.Expect(b.r.findMachines(t.Context(), s)).To(Succeed())

	b.g.Expect(s.machines).To(HaveLen(1))
	b.g.Expect(s.machines[0].Name).To(Equal("ours"))
}

func TestMachinesThatCannotBeListedDoNotSpoilTheStatus(t *testing.T) {
	t.Parallel()
	for name, world := range map[string]struct {
		err   error
		ready string
	}{
		"the API server is busy":         {apierrors.NewServiceUnavailable("try later"), "AccountsReady True Ready"},
		"the API server does not answer": {errors.New("connection refused"), "AccountsReady False InternalError"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, helpers.WorldOptions{Accounts: 1})
			infra := b.cluster("c1")
			b.until(infra, "Ready True Ready")
			seen := infra.Status.DeepCopy()
			b.intercept(interceptor.Funcs{
				List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
					if _, ok := list.(*infrav1.OCIMeshMachineList); ok {
						return world.err
					}
					return c.List(ctx, list, options...)
				},
			})

			_, err := b.reconcile(infra)

			b.g.Expect(err).To(MatchError(world.err))
			b.g.Expect(infra.Status.Accounts).To(Equal(seen.Accounts), "machines find their subnets in it")
			b.g.Expect(infra.Status.FailureDomains).To(Equal(seen.FailureDomains))
			b.g.Expect(helpers.ConditionsOf(infra)).To(ContainElement(world.ready))
		})
	}
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

func TestADeletionWithoutStatusFindsTheInstance(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{Accounts: 2})
	own := b.machine(t, "machine")
	b.untilProvisioned(t, own)
	g.Expect(b.Client.Status().Patch(t.Context(), own, client.RawPatch("application/merge-patch+json", []byte(`{"status":null}`)))).To(Succeed())

	b.delete(t, own)
	b.expectNothingLeft(t)
}

func TestADeletionWithoutStatusFindsTheInstanceInAnAccountThatLeftTheCluster(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{Accounts: 2})
	own := b.machine(t, "machine")
	b.untilProvisioned(t, own)
	leaves := own.Status.Placement.Account
	helpers.Update(t, b.Environment, b.infra, func(infra *infrav1.OCIMeshCluster) {
		infra.Spec.Accounts = slices.DeleteFunc(infra.Spec.Accounts, func(a infrav1.ClusterAccount) bool { return a.Name == leaves })
	})
	g.Expect(b.Client.Status().Patch(t.Context(), b.infra, client.RawPatch("application/merge-patch+json", []byte(`{"status":{"accounts":null}}`)))).To(Succeed())
	g.Expect(b.Client.Status().Patch(t.Context(), own, client.RawPatch("application/merge-patch+json", []byte(`{"status":null}`)))).To(Succeed())

	b.delete(t, own)
	b.expectNothingLeft(t)
}

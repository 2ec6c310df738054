// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

func TestTailnetsThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for name, world := range map[string]struct {
		spoil    func(*bench)
		fix      func(*bench)
		tailnet  string
		endpoint string
	}{
		"missing": {
			spoil: func(b *bench) { b.g.Expect(env.Client.Delete(b.t.Context(), b.Tailnet.DeepCopy())).To(Succeed()) },
			fix: func(b *bench) {
				b.Tailnet.ResourceVersion, b.Tailnet.UID = "", ""
				env.Create(b.t, b.Tailnet)
				b.MakeReady(b.t)
			},
			tailnet: infrav1.TailnetNotFoundReason, endpoint: "EndpointReady False Waiting",
		},
		"not for this namespace": {
			spoil: func(b *bench) {
				helpers.Update(b.t, env, b.Tailnet, func(n *infrav1.Tailnet) { n.Spec.AllowedNamespaces.List = []string{"else"} })
			},
			fix: func(b *bench) {
				helpers.Update(b.t, env, b.Tailnet, func(n *infrav1.Tailnet) { n.Spec.AllowedNamespaces.List = []string{b.Namespace} })
			},
			tailnet: infrav1.NamespaceNotAllowedReason, endpoint: "EndpointReady False Waiting",
		},
		"not Ready": {
			spoil: func(b *bench) {
				b.Reload(b.t, b.Tailnet)
				b.SetReady(b.t, b.Tailnet, metav1.ConditionFalse, "ScopeMissing", "grant it")
			},
			fix:     func(b *bench) { b.MakeReady(b.t) },
			tailnet: infrav1.TailnetNotReadyReason, endpoint: "EndpointReady True Ready",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, helpers.WorldOptions{Accounts: 1})
			world.spoil(b)
			infra := b.cluster("c1")

			b.until(infra, "NetworkReady True Ready")

			b.g.Expect(helpers.ConditionsOf(infra)).To(ContainElements("TailnetReady False "+world.tailnet, world.endpoint))
			b.g.Expect(infra.Status.Initialization.Provisioned).To(BeNil())

			world.fix(b)
			b.until(infra, "Ready True Ready")
			b.g.Expect(infra.Status.Initialization.Provisioned).To(HaveValue(BeTrue()))
		})
	}
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// The nodes' agent that finds API servers reads the Endpoints default/kubernetes, by the rules that
// Kubernetes has for nodes: its Node authorizer and the ClusterRole system:node have the same ones.
func TestKubernetesLetsNodesReadWhereAPIServersAre(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	role := &rbacv1.ClusterRole{}
	eventually(g, func(g Gomega) {
		g.Expect(env.Client.Get(t.Context(), client.ObjectKey{Name: "system:node"}, role)).To(Succeed())
	})

	g.Expect(role.Rules).To(ContainElement(Satisfy(func(rule rbacv1.PolicyRule) bool {
		return slices.Contains(rule.APIGroups, "") && slices.Contains(rule.Resources, "endpoints") && slices.Contains(rule.Verbs, "get")
	})))
}

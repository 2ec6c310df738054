// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

func TestAManagerOfOneNamespaceSeesTheUsersInAll(t *testing.T) {
	g := NewWithT(t)
	w, r := newWorld(t, tailnetsim.Tailscale)
	elsewhere := helpers.NewCluster(env.Namespace(t, nil), "c1")
	env.Create(t, elsewhere)
	env.Create(t, helpers.NewOCIMeshCluster(elsewhere, w.Tailnet.Name, w.AccountNames()))
	helpers.Update(t, env, w.Tailnet, func(tn *infrav1.Tailnet) {
		tn.Spec.AllowedNamespaces.List = []string{w.Namespace, elsewhere.Namespace}
	})
	r.Client = client.NewNamespacedClient(env.Client, w.Namespace)
	r.Options.Namespace = w.Namespace

	reconciled(t, r, w.Tailnet)

	g.Expect(w.Tailnet.Status.Users).To(HaveLen(1), "else managers of two namespaces would overwrite each other for ever")
}

func TestAClusterThatMayNotUseATailnetNeitherStopsItNorKeepsIt(t *testing.T) {
	g := NewWithT(t)
	w, r := newWorld(t, tailnetsim.Tailscale)
	cluster := helpers.NewCluster(env.Namespace(t, nil), "forged")
	env.Create(t, cluster)
	env.Create(t, helpers.NewOCIMeshCluster(cluster, w.Tailnet.Name, w.AccountNames(), func(own *infrav1.OCIMeshCluster) {
		own.Annotations = map[string]string{
			infrav1.IdentityAnnotation: fmt.Sprintf("%s/%s/%s", own.Namespace, own.Name, strings.Repeat("x", 300)),
		}
		own.Spec.ControlPlaneEndpoint = infrav1.APIEndpoint{Host: "10.250.0.9", Port: 6443}
	}))

	reconciled(t, r, w.Tailnet)
	helpers.ExpectConditions(t, w.Tailnet, "Ready True Ready", "CredentialsValid True Ready", "StraysAbsent True Ready",
		"PolicyReady Unknown PolicyNotReadable", "RangesDistinct True Ready", "Deleting False NotDeleting")
	g.Expect(w.Tailnet.Status.VIPAllocations).To(BeEmpty())
	g.Expect(w.Tailnet.Status.Users).To(BeEmpty())

	g.Expect(env.Client.Delete(t.Context(), w.Tailnet)).To(Succeed())
	reconcileOnce(t, r, w.Tailnet)
	env.ExpectGone(t, w.Tailnet)
}

// A tailnet lists its devices whenever it is looked at, and whoever writes objects can have that
// happen as often as he likes.
func TestOnlyClustersThatUseATailnetHaveItLookedAt(t *testing.T) {
	g := NewWithT(t)
	w, r := newWorld(t, tailnetsim.Tailscale)
	made := func(namespace string) *infrav1.OCIMeshCluster {
		cluster := helpers.NewCluster(namespace, "any")
		env.Create(t, cluster)
		infra := helpers.NewOCIMeshCluster(cluster, w.Tailnet.Name, w.AccountNames())
		env.Create(t, infra)
		return infra
	}
	request := ConsistOf(reconcile.Request{NamespacedName: client.ObjectKeyFromObject(w.Tailnet)})
	forged := made(env.Namespace(t, nil))
	g.Expect(r.clusterToTailnet(t.Context(), forged)).To(BeEmpty())
	g.Expect(r.clusterToTailnet(t.Context(), made(w.Namespace))).To(request)
	forged.Status.Initialization.Provisioned = ptr.To(true)
	g.Expect(r.clusterToTailnet(t.Context(), forged)).To(request, "the namespace has lost permission")
}

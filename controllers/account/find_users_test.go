// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

func TestAManagerOfOneNamespaceSeesTheUsersInAll(t *testing.T) {
	g := NewWithT(t)
	w, r := newWorld(t)
	elsewhere := helpers.NewCluster(env.Namespace(t, nil), "c1")
	env.Create(t, elsewhere)
	env.Create(t, helpers.NewOCIMeshCluster(elsewhere, w.Tailnet.Name, w.AccountNames()))
	helpers.Update(t, env, w.Accounts[0], func(account *infrav1.OCIAccount) {
		account.Spec.AllowedNamespaces.List = []string{w.Namespace, elsewhere.Namespace}
	})
	r.Client, r.Reader = client.NewNamespacedClient(env.Client, w.Namespace), env.Client
	r.Options.Namespace = w.Namespace

	reconciled(t, r, w.Accounts[0])

	g.Expect(w.Accounts[0].Status.Users).To(HaveLen(1), "else managers of two namespaces would overwrite each other for ever")
}

func TestAClusterThatMayNotUseAnAccountDoesNotKeepIt(t *testing.T) {
	g := NewWithT(t)
	w, r := newWorld(t)
	account := w.Accounts[0]
	cluster := helpers.NewCluster(env.Namespace(t, nil), "forged")
	env.Create(t, cluster)
	infra := helpers.NewOCIMeshCluster(cluster, w.Tailnet.Name, w.AccountNames(), func(own *infrav1.OCIMeshCluster) {
		own.Annotations = map[string]string{infrav1.NetworkAccountsAnnotation: account.Name}
	})
	env.Create(t, infra)
	reconciled(t, r, account)
	g.Expect(account.Status.Users).To(BeEmpty())

	// What the cluster's controller has written down from when the namespace was allowed counts.
	infra.Status.Accounts = []infrav1.ClusterAccountStatus{{Name: account.Name, VCNID: "ocid1.vcn.oc1.iad.a"}}
	g.Expect(env.Client.Status().Update(t.Context(), infra)).To(Succeed())
	reconciled(t, r, account)
	g.Expect(account.Status.Users).To(HaveLen(1))
	infra.Status.Accounts = nil
	g.Expect(env.Client.Status().Update(t.Context(), infra)).To(Succeed())

	g.Expect(env.Client.Delete(t.Context(), account)).To(Succeed())
	_, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(account)})
	g.Expect(err).NotTo(HaveOccurred())
	env.ExpectGone(t, account)
}

func TestUsersStayKnownWhileTheyCannotBeListed(t *testing.T) {
	g := NewWithT(t)
	w, r := newWorld(t)
	account := w.Accounts[0]
	cluster := helpers.NewCluster(w.Namespace, "c1")
	env.Create(t, cluster)
	env.Create(t, helpers.NewOCIMeshCluster(cluster, w.Tailnet.Name, w.AccountNames()))
	reconciled(t, r, account)
	watching, err := client.NewWithWatch(env.Config, client.Options{Scheme: env.Scheme})
	g.Expect(err).NotTo(HaveOccurred())
	r.Client = interceptor.NewClient(watching, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			if _, clusters := list.(*infrav1.OCIMeshClusterList); clusters {
				return apierrors.NewServiceUnavailable("the API server is busy")
			}
			return c.List(ctx, list, options...)
		},
	})
	request := ctrl.Request{NamespacedName: client.ObjectKeyFromObject(account)}

	_, err = r.Reconcile(t.Context(), request)

	g.Expect(err).To(MatchError(ContainSubstring("the API server is busy")))
	env.Reload(t, account)
	g.Expect(account.Status.Users).To(HaveLen(1))
	g.Expect(helpers.ConditionsOf(account)).To(ContainElement("Ready True Ready"))

	g.Expect(env.Client.Delete(t.Context(), account)).To(Succeed())
	_, err = r.Reconcile(t.Context(), request)

	g.Expect(err).To(HaveOccurred())
	env.Reload(t, account)
	g.Expect(account.Finalizers).NotTo(BeEmpty(), "somebody may use it")
}

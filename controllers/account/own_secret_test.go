// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"errors"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

func TestASecretThatCannotBeOwnedDoesNotSpoilTheAccount(t *testing.T) {
	g := NewWithT(t)
	w, r := newWorld(t)
	direct, err := client.NewWithWatch(env.Config, client.Options{Scheme: env.Scheme})
	g.Expect(err).NotTo(HaveOccurred())
	helpers.Update(t, env, w.Credentials[0], func(s *corev1.Secret) { s.Labels = map[string]string{access.MoveLabel: ""} })
	refusing := interceptor.NewClient(direct, interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			if object.GetObjectKind().GroupVersionKind().Kind == "Secret" {
				return apierrors.NewConflict(corev1.Resource("secrets"), object.GetName(), errors.New("somebody was faster"))
			}
			return c.Patch(ctx, object, patch, options...)
		},
	})
	r.Clients = access.New(access.Options{Client: refusing, Namespace: w.Credentials[0].Namespace})
	request := ctrl.Request{NamespacedName: client.ObjectKeyFromObject(w.Accounts[0])}
	_, err = r.Reconcile(t.Context(), request)
	g.Expect(err).NotTo(HaveOccurred(), "the finalizer")

	_, err = r.Reconcile(t.Context(), request)

	g.Expect(err).To(MatchError(ContainSubstring("somebody was faster")))
	env.Reload(t, w.Accounts[0])
	g.Expect(helpers.ConditionsOf(w.Accounts[0])).To(ContainElement("Ready True Ready"))
}

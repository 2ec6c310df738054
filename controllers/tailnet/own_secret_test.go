// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

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
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

func TestTheCredentialsBelongToTheTailnetOnceTheyCanBeWritten(t *testing.T) {
	g := NewWithT(t)
	w, r := newWorld(t, tailnetsim.Tailscale)
	helpers.Update(t, env, w.TailnetCredentials, func(s *corev1.Secret) { s.Labels = map[string]string{access.MoveLabel: ""} })
	direct, err := client.NewWithWatch(env.Config, client.Options{Scheme: env.Scheme})
	g.Expect(err).NotTo(HaveOccurred())
	refused := true
	r.Clients = access.New(access.Options{Namespace: w.TailnetCredentials.Namespace, Client: interceptor.NewClient(direct, interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			if refused && object.GetObjectKind().GroupVersionKind().Kind == "Secret" {
				return apierrors.NewConflict(corev1.Resource("secrets"), object.GetName(), errors.New("somebody was faster"))
			}
			return c.Patch(ctx, object, patch, options...)
		},
	})})
	request := ctrl.Request{NamespacedName: client.ObjectKeyFromObject(w.Tailnet)}
	_, err = r.Reconcile(t.Context(), request)
	g.Expect(err).NotTo(HaveOccurred(), "the finalizer")

	_, err = r.Reconcile(t.Context(), request)

	g.Expect(err).To(MatchError(ContainSubstring("somebody was faster")))
	env.Reload(t, w.Tailnet)
	g.Expect(helpers.ConditionsOf(w.Tailnet)).To(ContainElement("Ready True Ready"))

	refused = false
	reconciled(t, r, w.Tailnet)

	env.Reload(t, w.TailnetCredentials)
	g.Expect(w.TailnetCredentials.OwnerReferences).To(HaveLen(1))
	g.Expect(w.TailnetCredentials.OwnerReferences[0].UID).To(Equal(w.Tailnet.UID))
}

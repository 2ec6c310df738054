// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"os"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

var env *helpers.Environment

func TestMain(m *testing.M) { os.Exit(helpers.Run(m, &env)) }

// reconciled reconciles the tailnet until its finalizer is on and it has been looked at, and reads
// it.
func reconciled(t *testing.T, r *Reconciler, tn *infrav1.Tailnet) ctrl.Result {
	t.Helper()
	return env.Reconciled(t, r, tn)
}

func newWorld(t *testing.T, mode tailnetsim.Mode) (*helpers.World, *Reconciler) {
	t.Helper()
	w := helpers.NewWorld(t, env, helpers.WorldOptions{
		// A node without an object is a stray.
		Accounts: 1, TailnetMode: mode, Neighbours: tailnetsim.Neighbours{ClusterTags: []string{}},
	})
	return w, &Reconciler{Client: env.Client, Reader: env.Client, Clients: w.Clients}
}

func changeSecret(key, value string) func(*testing.T, *helpers.World) {
	return func(t *testing.T, w *helpers.World) {
		t.Helper()
		helpers.Update(t, env, w.TailnetCredentials, func(s *corev1.Secret) { s.Data[key] = []byte(value) })
	}
}

// newClient puts a new OAuth client with these scopes into the Secret.
func newClient(scopes ...string) func(*testing.T, *helpers.World) {
	return func(t *testing.T, w *helpers.World) {
		t.Helper()
		client := w.Control.AddClient(scopes, []string{helpers.ProviderTag})
		helpers.Update(t, env, w.TailnetCredentials, func(s *corev1.Secret) {
			s.Data[infrav1.TailnetClientIDKey], s.Data[infrav1.TailnetClientSecretKey] = []byte(client.ID), []byte(client.Secret)
		})
	}
}

func newUser(t *testing.T, w *helpers.World, name, host string) *infrav1.OCIMeshCluster {
	t.Helper()
	cluster := helpers.NewCluster(w.Namespace, name)
	env.Create(t, cluster)
	user := helpers.NewOCIMeshCluster(cluster, w.Tailnet.Name, w.AccountNames())
	user.Spec.ControlPlaneEndpoint.Host = host
	env.Create(t, user)
	return user
}

func reconcileOnce(t *testing.T, r *Reconciler, tn *infrav1.Tailnet) {
	t.Helper()
	_, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(tn)})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
}

// badTailnet is bad input, or trouble. A condition tells it, with a remedy, until it is fixed.
type badTailnet struct {
	spoil, fix      func(*testing.T, *helpers.World)
	reason, message string
}

func (b badTailnet) expectToldAndHealed(t *testing.T) {
	t.Helper()
	g := NewWithT(t)
	w, r := newWorld(t, tailnetsim.Tailscale)
	b.spoil(t, w)

	reconciled(t, r, w.Tailnet)

	helpers.ExpectConditions(t, w.Tailnet, "Ready False "+b.reason, "CredentialsValid False "+b.reason,
		"PolicyReady Unknown Waiting", "StraysAbsent Unknown Waiting", "RangesDistinct True Ready", "Deleting False NotDeleting")
	g.Expect(helpers.MessageOf(w.Tailnet, infrav1.ReadyCondition)).To(ContainSubstring(b.message))

	b.fix(t, w)
	reconciled(t, r, w.Tailnet)

	g.Expect(helpers.ConditionsOf(w.Tailnet)).To(ContainElement("Ready True Ready"))
	w.ExpectNothingLeft(t)
}

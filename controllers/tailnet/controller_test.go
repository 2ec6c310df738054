// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"context"
	"os"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/tailnetsim"
)

var env *helpers.Environment

func TestMain(m *testing.M) { os.Exit(helpers.Run(m, &env)) }

// reconciled reconciles the tailnet until its finalizer is on and it has been looked at, and reads
// it.
func reconciled(t *testing.T, r *Reconciler, tn *infrav1.Tailnet) ctrl.Result {
	t.Helper()
	var result ctrl.Result
	for range 2 {
		var err error
		result, err = r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(tn)})
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
	}
	env.Reload(t, tn)
	return result
}

func newWorld(t *testing.T, mode tailnetsim.Mode) (*helpers.World, *Reconciler) {
	t.Helper()
	w := helpers.NewWorld(t, env, helpers.WorldOptions{Accounts: 1, TailnetMode: mode})
	return w, &Reconciler{Client: env.Client, Reader: env.Client, Clients: w.Clients}
}

func TestAGoodTailnetIsReady(t *testing.T) {
	for _, mode := range []tailnetsim.Mode{tailnetsim.Tailscale, tailnetsim.Headscale} {
		t.Run(string(mode), func(t *testing.T) {
			g := NewWithT(t)
			w, r := newWorld(t, mode)

			result := reconciled(t, r, w.Tailnet)

			helpers.ExpectConditions(t, w.Tailnet, "Ready True Ready", "CredentialsValid True Ready", "StraysAbsent True Ready",
				"Deleting False NotDeleting")
			g.Expect(w.Tailnet.Finalizers).To(ConsistOf(infrav1.TailnetFinalizer))
			g.Expect(result.RequeueAfter).To(BeNumerically("~", 5*time.Minute, time.Minute))
			w.ExpectNothingLeft(t)
		})
	}
}

func TestKeysAreTriedOutOnceForAVersionOfSpecAndCredentials(t *testing.T) {
	g := NewWithT(t)
	w, r := newWorld(t, tailnetsim.Tailscale)
	reconciled(t, r, w.Tailnet)
	g.Expect(w.Control.CallCount(tailnetsim.OpCreateKey)).To(Equal(2), "one for each set of tags")

	reconciled(t, r, w.Tailnet)
	g.Expect(w.Control.CallCount(tailnetsim.OpCreateKey)).To(Equal(2), "nothing has changed")

	helpers.Update(t, env, w.Tailnet, func(n *infrav1.Tailnet) {
		n.Spec.NodeTags, n.Spec.ControlPlaneTags = n.Spec.ControlPlaneTags, n.Spec.NodeTags
	})
	reconciled(t, r, w.Tailnet)
	g.Expect(w.Control.CallCount(tailnetsim.OpCreateKey)).To(Equal(4))
}

// Bad input, each shown by a condition with a remedy, and healed by itself once it is mended.
func TestABadTailnetSaysWhatIsWrongAndHeals(t *testing.T) {
	goodTag := func(t *testing.T, w *helpers.World) {
		t.Helper()
		helpers.Update(t, env, w.Tailnet, func(n *infrav1.Tailnet) { n.Spec.NodeTags = []string{helpers.NodeTag} })
	}
	for name, world := range map[string]struct {
		mode    tailnetsim.Mode
		spoil   func(*testing.T, *helpers.World)
		mend    func(*testing.T, *helpers.World)
		reason  string
		message string
	}{
		"Secret missing": {
			spoil: func(t *testing.T, w *helpers.World) {
				NewWithT(t).Expect(env.Client.Delete(t.Context(), w.TailnetCredentials.DeepCopy())).To(Succeed())
			},
			mend: func(t *testing.T, w *helpers.World) {
				w.TailnetCredentials.ResourceVersion, w.TailnetCredentials.UID = "", ""
				env.Create(t, w.TailnetCredentials)
			},
			reason: infrav1.SecretNotFoundReason, message: "create it",
		},
		"client secret missing": {
			spoil:  changeSecret(infrav1.TailnetClientSecretKey, ""),
			mend:   newClient("auth_keys", "devices:core", "devices:routes"),
			reason: infrav1.SecretInvalidReason, message: "clientSecret",
		},
		"bad OAuth client": {
			spoil:  changeSecret(infrav1.TailnetClientSecretKey, "tskey-client-wrong"),
			mend:   newClient("auth_keys", "devices:core", "devices:routes"),
			reason: infrav1.AuthenticationFailedReason, message: "credentials",
		},
		"scope missing": {
			spoil:  newClient("auth_keys", "devices:core"),
			mend:   newClient("auth_keys", "devices:core", "devices:routes"),
			reason: infrav1.ScopeMissingReason, message: "devices:routes",
		},
		"unknown tag": {
			spoil: func(t *testing.T, w *helpers.World) {
				helpers.Update(t, env, w.Tailnet, func(n *infrav1.Tailnet) { n.Spec.NodeTags = []string{"tag:stranger"} })
			},
			mend:   goodTag,
			reason: infrav1.TagNotPermittedReason, message: "tagOwners",
		},
		"unreachable": {
			spoil:  func(_ *testing.T, w *helpers.World) { w.Control.SetUnreachable(true) },
			mend:   func(_ *testing.T, w *helpers.World) { w.Control.SetUnreachable(false) },
			reason: infrav1.UnavailableReason, message: "repeated later",
		},
		"too many requests": {
			spoil: func(_ *testing.T, w *helpers.World) {
				w.Control.Inject(tailnetsim.Fault{Status: 429, Times: 100})
			},
			mend:   func(_ *testing.T, w *helpers.World) { w.Control.ClearFaults() },
			reason: infrav1.ThrottledReason, message: "repeated later",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w, r := newWorld(t, tailnetsim.Tailscale)
			world.spoil(t, w)

			reconciled(t, r, w.Tailnet)

			helpers.ExpectConditions(t, w.Tailnet, "Ready False "+world.reason, "CredentialsValid False "+world.reason,
				"StraysAbsent Unknown Waiting", "Deleting False NotDeleting")
			g.Expect(helpers.MessageOf(w.Tailnet, infrav1.ReadyCondition)).To(ContainSubstring(world.message))

			world.mend(t, w)
			reconciled(t, r, w.Tailnet)

			g.Expect(helpers.ConditionsOf(w.Tailnet)).To(ContainElement("Ready True Ready"))
			w.ExpectNothingLeft(t)
		})
	}
}

func TestAHeadscaleThatIsTooOldIsNamed(t *testing.T) {
	w, r := newWorld(t, tailnetsim.HeadscaleOld)

	reconciled(t, r, w.Tailnet)

	helpers.ExpectConditions(t, w.Tailnet, "Ready False HeadscaleTooOld", "CredentialsValid False HeadscaleTooOld",
		"StraysAbsent Unknown Waiting", "Deleting False NotDeleting")
	NewWithT(t).Expect(helpers.MessageOf(w.Tailnet, infrav1.ReadyCondition)).To(ContainSubstring("0.29.2"))
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

func TestTheListOfAddressesFollowsTheClusters(t *testing.T) {
	g := NewWithT(t)
	w, r := newWorld(t, tailnetsim.Tailscale)
	user := newUser(t, w, "moved", "10.250.0.7")

	reconciled(t, r, w.Tailnet)

	g.Expect(w.Tailnet.Status.VIPAllocations).To(HaveLen(1), "found again from the spec")
	g.Expect(w.Tailnet.Status.VIPAllocations[0].Address).To(Equal("10.250.0.7"))

	g.Expect(env.Client.Delete(t.Context(), user)).To(Succeed())
	reconciled(t, r, w.Tailnet)

	g.Expect(w.Tailnet.Status.VIPAllocations).To(BeEmpty())
}

func TestADeletedTailnetWaitsForTheClustersThatUseIt(t *testing.T) {
	g := NewWithT(t)
	w, r := newWorld(t, tailnetsim.Tailscale)
	user := newUser(t, w, "c1", "10.250.0.7")
	reconciled(t, r, w.Tailnet)

	g.Expect(env.Client.Delete(t.Context(), w.Tailnet)).To(Succeed())
	reconciled(t, r, w.Tailnet)

	helpers.ExpectConditions(t, w.Tailnet, "Ready False InUse", "CredentialsValid True Ready", "StraysAbsent True Ready",
		"Deleting True InUse")
	g.Expect(w.Tailnet.Status.Users).To(ConsistOf(infrav1.ObjectUser{Namespace: w.Namespace, Name: "c1"}))

	g.Expect(env.Client.Delete(t.Context(), user)).To(Succeed())
	_, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(w.Tailnet)})
	g.Expect(err).NotTo(HaveOccurred())
	env.ExpectGone(t, w.Tailnet)
}

func TestAManagerNoticesAMendedSecretWithoutAPoll(t *testing.T) {
	g := NewWithT(t)
	w, _ := newWorld(t, tailnetsim.Tailscale)
	changeSecret(infrav1.TailnetClientSecretKey, "wrong")(t, w)
	env.Manager(t, func(ctx context.Context, mgr manager.Manager) error {
		r := &Reconciler{Client: mgr.GetClient(), Reader: mgr.GetAPIReader(), Clients: w.Clients}
		return r.SetupWithManager(ctx, mgr, Options{PollInterval: time.Hour})
	})
	seen := func() []string {
		env.Reload(t, w.Tailnet)
		return helpers.ConditionsOf(w.Tailnet)
	}
	g.Eventually(seen, 20*time.Second).Should(ContainElement("Ready False AuthenticationFailed"))

	newClient("auth_keys", "devices:core", "devices:routes")(t, w)

	g.Eventually(seen, 20*time.Second).Should(ContainElement("Ready True Ready"))
}

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

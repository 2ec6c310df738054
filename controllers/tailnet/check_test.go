// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/cluster-api/util/conditions"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

func TestAGoodTailnetIsReady(t *testing.T) {
	for mode, policy := range map[tailnetsim.Mode]string{
		tailnetsim.Tailscale: "Unknown PolicyNotReadable", tailnetsim.Headscale: "Unknown PolicyNotReadable",
		tailnetsim.Headscale029: "True Ready", tailnetsim.Headscale028: "True Ready",
	} {
		t.Run(string(mode), func(t *testing.T) {
			g := NewWithT(t)
			w, r := newWorld(t, mode)

			result := reconciled(t, r, w.Tailnet)

			helpers.ExpectConditions(t, w.Tailnet, "Ready True Ready", "CredentialsValid True Ready", "PolicyReady "+policy,
				"StraysAbsent True Ready", "RangesDistinct True Ready", "Deleting False NotDeleting")
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

func TestWhatACheckFailsWithIsToldAndHeals(t *testing.T) {
	goodTag := func(t *testing.T, w *helpers.World) {
		t.Helper()
		helpers.Update(t, env, w.Tailnet, func(n *infrav1.Tailnet) { n.Spec.NodeTags = []string{helpers.NodeTag} })
	}
	for name, world := range map[string]badTailnet{
		"bad OAuth client": {
			spoil:  changeSecret(infrav1.TailnetClientSecretKey, "tskey-client-wrong"),
			fix:    newClient("auth_keys", "devices:core", "devices:routes"),
			reason: infrav1.AuthenticationFailedReason, message: "API key or OAuth client is known to this control server",
		},
		"scope missing": {
			spoil:  newClient("auth_keys", "devices:core"),
			fix:    newClient("auth_keys", "devices:core", "devices:routes"),
			reason: infrav1.ScopeMissingReason, message: "devices:routes",
		},
		"unknown tag": {
			spoil: func(t *testing.T, w *helpers.World) {
				helpers.Update(t, env, w.Tailnet, func(n *infrav1.Tailnet) { n.Spec.NodeTags = []string{"tag:stranger"} })
			},
			fix:    goodTag,
			reason: infrav1.TagNotPermittedReason, message: "tagOwners",
		},
		"unreachable": {
			spoil:  func(_ *testing.T, w *helpers.World) { w.Control.SetUnreachable(true) },
			fix:    func(_ *testing.T, w *helpers.World) { w.Control.SetUnreachable(false) },
			reason: infrav1.UnavailableReason, message: "repeated later",
		},
		"too many requests": {
			spoil: func(_ *testing.T, w *helpers.World) {
				w.Control.Inject(tailnetsim.Fault{Status: 429, Times: 100})
			},
			fix:    func(_ *testing.T, w *helpers.World) { w.Control.ClearFaults() },
			reason: infrav1.ThrottledReason, message: "repeated later",
		},
	} {
		t.Run(name, world.expectToldAndHealed)
	}
}

func TestAHeadscaleThatIsTooOldIsNamed(t *testing.T) {
	for name, world := range map[string]struct {
		mode  tailnetsim.Mode
		spoil func(*testing.T, *helpers.World)
		says  []string
	}{
		"users own all keys": {tailnetsim.Headscale026, nil, []string{"without a user", "upgrade it to 0.28"}},
		"0.29, and an OAuth client": {
			tailnetsim.Headscale029, func(t *testing.T, w *helpers.World) {
				helpers.Update(t, env, w.TailnetCredentials, func(s *corev1.Secret) {
					s.Data = map[string][]byte{infrav1.TailnetClientIDKey: []byte("id"), infrav1.TailnetClientSecretKey: []byte("hskey-client-x")}
				})
				helpers.Update(t, env, w.Tailnet, func(n *infrav1.Tailnet) { n.Spec.Credentials.Type = infrav1.OAuthClient })
			}, []string{"v0.29.2", "credentials.type APIKey"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, r := newWorld(t, world.mode)
			if world.spoil != nil {
				world.spoil(t, w)
			}

			reconciled(t, r, w.Tailnet)

			helpers.ExpectConditions(t, w.Tailnet, "Ready False HeadscaleTooOld", "CredentialsValid False HeadscaleTooOld",
				"PolicyReady Unknown Waiting", "StraysAbsent Unknown Waiting", "RangesDistinct True Ready", "Deleting False NotDeleting")
			for _, text := range world.says {
				NewWithT(t).Expect(helpers.MessageOf(w.Tailnet, infrav1.ReadyCondition)).To(ContainSubstring(text))
			}
		})
	}
}

func TestTheNextCheckComesByWhoHasToFixTheProblem(t *testing.T) {
	for name, world := range map[string]struct {
		spoil func(*testing.T, *helpers.World)
		want  time.Duration
	}{
		"the server is down": {
			func(_ *testing.T, w *helpers.World) { w.Control.SetUnreachable(true) }, 10 * time.Second,
		},
		"the server asks for a second": {
			func(_ *testing.T, w *helpers.World) {
				w.Control.Inject(tailnetsim.Fault{Status: 429, RetryAfter: 1, Times: 100})
			}, 10 * time.Second,
		},
		"somebody has to give the client a scope": {newClient("auth_keys", "devices:core"), time.Minute},
		"somebody has to write the Secret, which is watched": {
			changeSecret(infrav1.TailnetClientSecretKey, ""), 5 * time.Minute,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, r := newWorld(t, tailnetsim.Tailscale)
			world.spoil(t, w)

			result := reconciled(t, r, w.Tailnet)

			NewWithT(t).Expect(result.RequeueAfter).To(BeNumerically("~", world.want, world.want/8))
		})
	}
}

func TestAServerThatIsAwayIsToldWithItsTimeAndWhatItMeans(t *testing.T) {
	const refused, ready = "CredentialsValid False AuthenticationFailed", "Ready True Ready"
	refuse := changeSecret(infrav1.TailnetClientSecretKey, "tskey-client-wrong")
	accept := newClient("auth_keys", "devices:core", "devices:routes")
	leave := func(*testing.T, *helpers.World) {}
	for name, world := range map[string]struct {
		before, after func(*testing.T, *helpers.World)
		was, becomes  string
	}{
		"while all is well":                    {leave, leave, ready, ready},
		"while the credentials are refused":    {refuse, refuse, refused, refused},
		"and comes back with refused ones":     {leave, refuse, ready, refused},
		"after the credentials were of no use": {refuse, accept, refused, ready},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w, r := newWorld(t, tailnetsim.Tailscale)
			world.before(t, w)
			reconciled(t, r, w.Tailnet)
			g.Expect(helpers.ConditionsOf(w.Tailnet)).To(ContainElement(world.was))
			g.Expect(w.Tailnet.Status.UnavailableSince.IsZero()).To(BeTrue())
			// What was said of the credentials is long ago.
			long := metav1.NewTime(time.Now().Add(-500 * time.Hour))
			for i := range w.Tailnet.Status.Conditions {
				w.Tailnet.Status.Conditions[i].LastTransitionTime = long
			}
			g.Expect(env.Client.Status().Update(t.Context(), w.Tailnet)).To(Succeed())

			w.Control.SetUnreachable(true)
			reconciled(t, r, w.Tailnet)
			away := w.Tailnet.Status.UnavailableSince
			g.Expect(away.Time).To(BeTemporally("~", time.Now(), time.Minute))
			for range 3 {
				reconciled(t, r, w.Tailnet)

				told := conditions.Get(w.Tailnet, infrav1.CredentialsValidCondition)
				g.Expect(told.Reason).To(Equal(infrav1.UnavailableReason))
				g.Expect(w.Tailnet.Status.UnavailableSince).To(Equal(away))
				g.Expect(told.Message).To(And(ContainSubstring("has not answered since "+away.UTC().Format(time.RFC3339)+". Machines that run go on"),
					ContainSubstring("no machine joins or leaves")))
				g.Expect(helpers.MessageOf(w.Tailnet, infrav1.ReadyCondition)).To(Equal(told.Message))
			}

			// Nobody has asked then.
			changeSecret(infrav1.TailnetClientSecretKey, "")(t, w)
			reconciled(t, r, w.Tailnet)
			g.Expect(helpers.ConditionsOf(w.Tailnet)).To(ContainElement("CredentialsValid False SecretInvalid"))
			g.Expect(w.Tailnet.Status.UnavailableSince).To(Equal(away))
			accept(t, w)

			w.Control.SetUnreachable(false)
			world.after(t, w)
			reconciled(t, r, w.Tailnet)
			g.Expect(helpers.ConditionsOf(w.Tailnet)).To(ContainElement(world.becomes))
			g.Expect(w.Tailnet.Status.UnavailableSince.IsZero()).To(BeTrue())
			g.Expect(w.Tailnet.Status.AvailableSince.Time).To(BeTemporally("~", time.Now(), time.Minute))
		})
	}
}

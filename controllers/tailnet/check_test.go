// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/tailnetsim"
)

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

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package access_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

var env *helpers.Environment

func TestMain(m *testing.M) { os.Exit(helpers.Run(m, &env)) }

// reason of the Problem that err is.
func reason(err error) string {
	var problem *access.Problem
	if !errors.As(err, &problem) {
		return fmt.Sprintf("no problem: %v", err)
	}
	return problem.Reason
}

func TestAnAccountIsForTheNamespacesThatItAllows(t *testing.T) {
	w := helpers.NewWorld(t, env, helpers.WorldOptions{Accounts: 1})
	other := env.Namespace(t, map[string]string{"team": "blue"})
	for name, world := range map[string]struct {
		allowed   infrav1.AllowedNamespaces
		namespace string
		reason    string
	}{
		"named":           {infrav1.AllowedNamespaces{List: []string{other}}, other, ""},
		"not named":       {infrav1.AllowedNamespaces{List: []string{other}}, w.Namespace, infrav1.NamespaceNotAllowedReason},
		"selected":        {infrav1.AllowedNamespaces{Selector: labelled("blue")}, other, ""},
		"not selected":    {infrav1.AllowedNamespaces{Selector: labelled("red")}, other, infrav1.NamespaceNotAllowedReason},
		"all are allowed": {infrav1.AllowedNamespaces{Selector: &metav1.LabelSelector{}}, w.Namespace, ""},
		"bad selector": {
			infrav1.AllowedNamespaces{Selector: &metav1.LabelSelector{
				MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "team", Operator: "Sometimes"}},
			}},
			other, infrav1.NamespaceNotAllowedReason,
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			helpers.Update(t, env, w.Accounts[0], func(a *infrav1.OCIAccount) { a.Spec.AllowedNamespaces = world.allowed })
			helpers.Update(t, env, w.Tailnet, func(n *infrav1.Tailnet) { n.Spec.AllowedNamespaces = world.allowed })

			_, accountErr := w.Clients.Account(t.Context(), w.Accounts[0].Name, world.namespace)
			_, tailnetErr := w.Clients.Tailnet(t.Context(), w.Tailnet.Name, world.namespace)

			for _, err := range []error{accountErr, tailnetErr} {
				if world.reason == "" {
					g.Expect(err).NotTo(HaveOccurred())
				} else {
					g.Expect(reason(err)).To(Equal(world.reason))
				}
			}
		})
	}
}

func TestStrangersShareATurn(t *testing.T) {
	g := NewWithT(t)
	w := helpers.NewWorld(t, env, helpers.WorldOptions{Accounts: 2})
	clients := access.New(access.Options{Client: env.Client})
	stranger := env.Namespace(t, nil)
	for range 3 {
		g.Expect(clients.MayLookInAccount(t.Context(), w.Accounts[0], w.Namespace)).To(Succeed(), "it is allowed")
		g.Expect(clients.MayLookInTailnet(t.Context(), w.Tailnet, w.Namespace)).To(Succeed())
	}
	for name, look := range map[string]func() error{
		"an account":      func() error { return clients.MayLookInAccount(t.Context(), w.Accounts[0], stranger) },
		"another account": func() error { return clients.MayLookInAccount(t.Context(), w.Accounts[1], stranger) },
		"a tailnet":       func() error { return clients.MayLookInTailnet(t.Context(), w.Tailnet, stranger) },
	} {
		g.Expect(look()).To(Succeed(), name)
		err := look()
		g.Expect(reason(err)).To(Equal(infrav1.NamespaceNotAllowedReason), name)
		g.Expect(access.AsProblem(err).RetryAfter).To(And(BeNumerically(">", 0), BeNumerically("<=", 10*time.Second)), name)
	}
}

func labelled(team string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{"team": team}}
}

func TestWhatDoesNotExistIsNamed(t *testing.T) {
	g := NewWithT(t)
	clients := access.New(access.Options{Client: env.Client})

	_, err := clients.Account(t.Context(), "nobody", "default")
	g.Expect(reason(err)).To(Equal(infrav1.AccountNotFoundReason))
	g.Expect(err).To(MatchError(ContainSubstring("nobody")))
	_, err = clients.Tailnet(t.Context(), "nowhere", "default")
	g.Expect(reason(err)).To(Equal(infrav1.TailnetNotFoundReason))
}

func TestBadCredentialsOfAnAccount(t *testing.T) {
	const secretText = "not-a-key-but-secret"
	for name, world := range map[string]struct {
		change  func(*corev1.Secret)
		reason  string
		message string
	}{
		"no Secret":         {nil, infrav1.SecretNotFoundReason, "create it"},
		"key missing":       {func(s *corev1.Secret) { delete(s.Data, "key") }, infrav1.SecretInvalidReason, "key: add it"},
		"user missing":      {func(s *corev1.Secret) { delete(s.Data, "user") }, infrav1.SecretInvalidReason, "no key user"},
		"key not PEM":       {func(s *corev1.Secret) { s.Data["key"] = []byte(secretText) }, infrav1.SecretInvalidReason, "PEM"},
		"wrong fingerprint": {func(s *corev1.Secret) { s.Data["fingerprint"] = []byte("aa:bb") }, infrav1.SecretInvalidReason, "fingerprint"},
		"not a tenancy":     {func(s *corev1.Secret) { s.Data["tenancy"] = []byte("mine") }, infrav1.SecretInvalidReason, "tenancy"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w := helpers.NewWorld(t, env, helpers.WorldOptions{Accounts: 1})
			if world.change == nil {
				g.Expect(env.Client.Delete(t.Context(), w.Credentials[0])).To(Succeed())
			} else {
				helpers.Update(t, env, w.Credentials[0], world.change)
			}

			_, err := w.Clients.OCI(t.Context(), w.Accounts[0])

			g.Expect(reason(err)).To(Equal(world.reason))
			g.Expect(err).To(MatchError(ContainSubstring(world.message)))
			g.Expect(err).To(MatchError(ContainSubstring(w.Namespace+"/"+w.Credentials[0].Name)), "the Secret is named")
			g.Expect(err.Error()).NotTo(ContainSubstring(secretText))
		})
	}
}

func TestAClientIsBuiltOnceForAVersionOfItsCredentials(t *testing.T) {
	g := NewWithT(t)
	w := helpers.NewWorld(t, env, helpers.WorldOptions{Accounts: 1})
	first, err := w.Clients.OCI(t.Context(), w.Accounts[0])
	g.Expect(err).NotTo(HaveOccurred())
	second, err := w.Clients.OCI(t.Context(), w.Accounts[0])
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(second).To(BeIdenticalTo(first))

	helpers.Update(t, env, w.Credentials[0], func(s *corev1.Secret) { s.Data["user"] = append(s.Data["user"], '\n') })

	third, err := w.Clients.OCI(t.Context(), w.Accounts[0])
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(third).NotTo(BeIdenticalTo(first))
	g.Expect(third.ProbeCompartment(t.Context())).To(Succeed(), "a line end in the Secret does no harm")
}

func TestACacheOfMetadataSparesReadingTheSecret(t *testing.T) {
	g := NewWithT(t)
	w := helpers.NewWorld(t, env, helpers.WorldOptions{Accounts: 1})
	clients := access.New(access.Options{Client: env.Client, SecretMetadata: env.Client})
	first, err := clients.OCI(t.Context(), w.Accounts[0])
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(clients.OCI(t.Context(), w.Accounts[0])).To(BeIdenticalTo(first))

	g.Expect(env.Client.Delete(t.Context(), w.Credentials[0])).To(Succeed())

	_, err = clients.OCI(t.Context(), w.Accounts[0])
	g.Expect(reason(err)).To(Equal(infrav1.SecretNotFoundReason))
}

func TestCredentialsOfATailnet(t *testing.T) {
	for name, world := range map[string]struct {
		kind   infrav1.TailnetCredentialsType
		data   map[string][]byte
		reason string
	}{
		"OAuth client":     {infrav1.OAuthClient, map[string][]byte{"clientID": []byte("a"), "clientSecret": []byte("b")}, ""},
		"no client secret": {infrav1.OAuthClient, map[string][]byte{"clientID": []byte("a")}, infrav1.SecretInvalidReason},
		"API key":          {infrav1.APIKey, map[string][]byte{"apiKey": []byte("tskey-api-x")}, ""},
		"no API key":       {infrav1.APIKey, map[string][]byte{"clientID": []byte("a")}, infrav1.SecretInvalidReason},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w := helpers.NewWorld(t, env, helpers.WorldOptions{Accounts: 1})
			helpers.Update(t, env, w.TailnetCredentials, func(s *corev1.Secret) { s.Data = world.data })
			helpers.Update(t, env, w.Tailnet, func(n *infrav1.Tailnet) { n.Spec.Credentials.Type = world.kind })

			_, err := w.Clients.TailnetClient(t.Context(), w.Tailnet)

			if world.reason == "" {
				g.Expect(err).NotTo(HaveOccurred())
			} else {
				g.Expect(reason(err)).To(Equal(world.reason))
			}
		})
	}
}

func TestAManagerForOneNamespaceSaysWhichCredentialsAreOutOfReach(t *testing.T) {
	w := helpers.NewWorld(t, env, helpers.WorldOptions{Accounts: 1})
	for name, world := range map[string]struct {
		watched, own string
		reason       string
	}{
		"for all namespaces":           {"", "elsewhere", ""},
		"in the watched namespace":     {w.Namespace, "elsewhere", ""},
		"in the manager's own":         {"elsewhere", w.Namespace, ""},
		"neither in one nor the other": {"elsewhere", w.ManagerNamespace, infrav1.SecretNotFoundReason},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			clients := access.New(access.Options{Client: env.Client, Namespace: world.own, WatchNamespace: world.watched})

			_, accountErr := clients.OCI(t.Context(), w.Accounts[0])
			_, tailnetErr := clients.TailnetClient(t.Context(), w.Tailnet)

			for _, err := range []error{accountErr, tailnetErr} {
				if world.reason == "" {
					g.Expect(err).NotTo(HaveOccurred())
					continue
				}
				g.Expect(reason(err)).To(Equal(world.reason))
				g.Expect(err).To(MatchError(ContainSubstring("move it there or into namespace " + w.ManagerNamespace)))
			}
		})
	}
}

func TestOnlyASecretThatAsksForItInTheManagersNamespaceIsOwned(t *testing.T) {
	for name, world := range map[string]struct {
		labels    map[string]string
		elsewhere bool
		owned     bool
	}{
		"asks for it":                       {map[string]string{access.MoveLabel: ""}, false, true},
		"does not ask":                      {nil, false, false},
		"asks for it, in another namespace": {map[string]string{access.MoveLabel: ""}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w := helpers.NewWorld(t, env, helpers.WorldOptions{Accounts: 1})
			account, secret := w.Accounts[0], w.Credentials[0].DeepCopy()
			secret.ObjectMeta = metav1.ObjectMeta{Namespace: w.ManagerNamespace, Name: "credentials", Labels: world.labels}
			if world.elsewhere {
				secret.Namespace = w.Namespace
			}
			w.Create(t, secret)
			before := secret.DeepCopy()
			ref := infrav1.SecretReference{Namespace: secret.Namespace, Name: secret.Name}

			for range 2 {
				g.Expect(w.Clients.OwnSecret(t.Context(), account, ref)).To(Succeed())
			}

			env.Reload(t, secret)
			if !world.owned {
				g.Expect(secret).To(Equal(before), "it is not written")
				return
			}
			g.Expect(secret.OwnerReferences).To(ConsistOf(metav1.OwnerReference{
				APIVersion: infrav1.GroupVersion.String(), Kind: "OCIAccount", Name: account.Name, UID: account.UID,
			}))
			ref.Name = "none"
			g.Expect(w.Clients.OwnSecret(t.Context(), account, ref)).To(Succeed(), "a Secret that does not exist is reported elsewhere")
		})
	}
}

func TestEveryErrorIsAProblem(t *testing.T) {
	wrapped := func(kind cloud.Kind) error {
		return fmt.Errorf("making a subnet: %w", &cloud.Error{Kind: kind, Message: "m", RetryAfter: time.Minute})
	}
	ofTailnet := func(code tailnet.Reason) error {
		return &cloud.Error{Kind: cloud.InvalidRequest, Service: "tailnet", Code: string(code)}
	}
	for want, errs := range map[string][]error{
		infrav1.NotAuthorizedOrNotFoundReason: {
			wrapped(cloud.NotFoundOrUnauthorized), wrapped(cloud.RelatedNotFoundOrUnauthorized), wrapped(cloud.Forbidden),
		},
		infrav1.AuthenticationFailedReason: {wrapped(cloud.Unauthenticated)},
		infrav1.SecretInvalidReason:        {wrapped(cloud.InvalidCredentials)},
		infrav1.ThrottledReason:            {wrapped(cloud.Throttled)},
		infrav1.UnavailableReason:          {wrapped(cloud.Unavailable), context.DeadlineExceeded},
		infrav1.OutOfCapacityReason:        {wrapped(cloud.OutOfCapacity)},
		infrav1.LimitExceededReason:        {wrapped(cloud.LimitExceeded)},
		infrav1.QuotaExceededReason:        {wrapped(cloud.QuotaExceeded)},
		infrav1.ConflictReason:             {wrapped(cloud.Conflict)},
		infrav1.RequestRefusedReason:       {wrapped(cloud.InvalidRequest), wrapped(cloud.ExistsOrUnauthorized)},
		infrav1.TagNotPermittedReason:      {ofTailnet(tailnet.ReasonTagRefused)},
		infrav1.ScopeMissingReason:         {ofTailnet(tailnet.ReasonMissingScope)},
		infrav1.HeadscaleTooOldReason:      {ofTailnet(tailnet.ReasonTooOld)},
		infrav1.InternalErrorReason:        {errors.New("a bug"), wrapped(cloud.Unknown)},
		infrav1.InUseReason:                {fmt.Errorf("deleting: %w", access.NewProblem(infrav1.InUseReason, "by x"))},
	} {
		for _, err := range errs {
			g := NewWithT(t)
			problem := access.AsProblem(err)
			g.Expect(problem.Reason).To(Equal(want), "%v", err)
			g.Expect(problem.Message).NotTo(BeEmpty())
		}
	}
	g := NewWithT(t)
	g.Expect(access.AsProblem(nil)).To(BeNil())
	g.Expect(access.AsProblem(wrapped(cloud.Throttled)).RetryAfter).To(Equal(time.Minute))
}

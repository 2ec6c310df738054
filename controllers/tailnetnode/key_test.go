// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetnode_test

import (
	"os"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

var env *helpers.Environment

func TestMain(m *testing.M) { os.Exit(helpers.Run(m, &env)) }

const kind = "OCIMeshMachine"

var (
	victim = tailnetnode.KeyOwner{Kind: kind, Namespace: "team-a", Name: "worker", Identity: "0b5c3a1e-7d52-4f0e-9a53-3f2f0d1c9b11"}
	key    = tailnetnode.Key{ID: "k1", Value: "tskey-auth-1", Expires: time.Now().Add(time.Hour).UTC().Truncate(time.Second)}
)

func newStore(t *testing.T) tailnetnode.KeyStore {
	t.Helper()
	return tailnetnode.KeyStore{Client: env.Client, Namespace: env.Namespace(t, nil)}
}

func secretOf(t *testing.T, store tailnetnode.KeyStore, owner tailnetnode.KeyOwner) (*corev1.Secret, error) {
	t.Helper()
	secret := &corev1.Secret{}
	err := env.Client.Get(t.Context(), client.ObjectKey{Namespace: store.Namespace, Name: owner.SecretName()}, secret)
	return secret, err
}

func TestAKeyIsStoredReplacedAndDeleted(t *testing.T) {
	g := NewWithT(t)
	store := newStore(t)
	_, exists, err := store.Load(t.Context(), victim)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(exists).To(BeFalse())

	g.Expect(store.Write(t.Context(), victim, key)).To(Succeed())
	found, exists, err := store.Load(t.Context(), victim)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(exists).To(BeTrue())
	g.Expect(found).To(Equal(key))

	second := tailnetnode.Key{ID: "k2", Value: "tskey-auth-2", Expires: key.Expires.Add(time.Minute)}
	g.Expect(store.Write(t.Context(), victim, second)).To(Succeed())
	found, _, err = store.Load(t.Context(), victim)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(Equal(second))

	for range 2 {
		g.Expect(store.Delete(t.Context(), victim)).To(Succeed())
	}
	_, exists, err = store.Load(t.Context(), victim)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(exists).To(BeFalse())
}

func TestAMalformedSecretSaysThatThereWasAKey(t *testing.T) {
	g := NewWithT(t)
	store := newStore(t)
	g.Expect(store.Write(t.Context(), victim, key)).To(Succeed())
	secret, err := secretOf(t, store, victim)
	g.Expect(err).NotTo(HaveOccurred())
	secret.Data = map[string][]byte{"expires": []byte("soon")}
	g.Expect(env.Client.Update(t.Context(), secret)).To(Succeed())

	found, exists, err := store.Load(t.Context(), victim)

	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(exists).To(BeTrue())
	g.Expect(found).To(BeZero())
}

func TestWhoForgesAnIdentityGetsAnotherSecret(t *testing.T) {
	for name, forger := range map[string]tailnetnode.KeyOwner{
		"from another namespace": {Kind: kind, Namespace: "team-b", Name: victim.Name, Identity: victim.Identity},
		"by another name":        {Kind: kind, Namespace: victim.Namespace, Name: "other", Identity: victim.Identity},
		"by another kind":        {Kind: "OCIMeshMachinePool", Namespace: victim.Namespace, Name: victim.Name, Identity: victim.Identity},
		"by parts that join to the same text": {
			Kind: kind, Namespace: "team-a/worker", Name: "", Identity: victim.Identity,
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			store := newStore(t)
			g.Expect(store.Write(t.Context(), victim, key)).To(Succeed())

			_, exists, err := store.Load(t.Context(), forger)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(exists).To(BeFalse())
			g.Expect(store.Write(t.Context(), forger, tailnetnode.Key{Value: "theirs"})).To(Succeed())
			g.Expect(store.Delete(t.Context(), forger)).To(Succeed())

			found, _, err := store.Load(t.Context(), victim)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(found).To(Equal(key))
		})
	}
}

func TestASecretThatNamesAnotherObjectIsLeftAlone(t *testing.T) {
	g := NewWithT(t)
	store := newStore(t)
	foreign := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: store.Namespace, Name: victim.SecretName(), Labels: map[string]string{tailnetnode.KindLabel: kind},
			Annotations: map[string]string{
				tailnetnode.NamespaceAnnotation: "team-b", tailnetnode.NameAnnotation: "theirs", tailnetnode.IdentityAnnotation: "0b5c3a1e-7d52-4f0e-9a53-3f2f0d1c9b11",
			},
		},
		Data: map[string][]byte{"authKey": []byte("theirs"), "expires": []byte("2100-01-01T00:00:00Z")},
	}
	g.Expect(env.Client.Create(t.Context(), foreign)).To(Succeed())

	_, exists, err := store.Load(t.Context(), victim)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(exists).To(BeFalse(), "it counts as none")
	g.Expect(store.Write(t.Context(), victim, key)).To(MatchError(ContainSubstring("remove it")))
	g.Expect(store.Delete(t.Context(), victim)).To(Succeed())

	left, err := secretOf(t, store, victim)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(left).To(Equal(foreign))
}

func TestSecretsWhoseObjectIsGoneAreSwept(t *testing.T) {
	for name, world := range map[string]struct {
		// object makes the object in the namespace; nil means that it is gone.
		object  func(namespace string) *infrav1.OCIMeshMachine
		kind    string
		age     time.Duration
		watches string
		swept   bool
	}{
		"gone":                        {age: 2 * tailnetnode.KeyGrace, swept: true},
		"gone a moment ago":           {age: tailnetnode.KeyGrace / 2},
		"made anew under the name":    {object: newMachine, age: 2 * tailnetnode.KeyGrace, swept: true},
		"there":                       {object: sameMachine, age: 2 * tailnetnode.KeyGrace},
		"of a kind that is not known": {kind: "Other", age: 2 * tailnetnode.KeyGrace},
		"gone from a namespace that is another's": {age: 2 * tailnetnode.KeyGrace, watches: "elsewhere"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			store, namespace := newStore(t), env.Namespace(t, nil)
			owner := tailnetnode.KeyOwner{Kind: kind, Namespace: namespace, Name: "worker", Identity: "0b5c3a1e-7d52-4f0e-9a53-3f2f0d1c9b11"}
			if world.kind != "" {
				owner.Kind = world.kind
			}
			if world.object != nil {
				g.Expect(env.Client.Create(t.Context(), world.object(namespace))).To(Succeed())
			}
			g.Expect(store.Write(t.Context(), owner, key)).To(Succeed())
			other := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: store.Namespace, Name: "credentials"}}
			g.Expect(env.Client.Create(t.Context(), other)).To(Succeed())
			sweeper := &tailnetnode.KeySweeper{
				KeyStore: store, Cache: env.Client, Reader: env.Client, WatchNamespace: world.watches,
				Kinds: map[string]func() client.Object{kind: func() client.Object { return &infrav1.OCIMeshMachine{} }},
				Clock: func() time.Time { return time.Now().Add(world.age) },
			}

			g.Expect(sweeper.Sweep(t.Context())).To(Succeed())

			_, err := secretOf(t, store, owner)
			g.Expect(apierrors.IsNotFound(err)).To(Equal(world.swept))
			g.Expect(env.Client.Get(t.Context(), client.ObjectKeyFromObject(other), other)).To(Succeed())
		})
	}
}

func newMachine(namespace string) *infrav1.OCIMeshMachine {
	return &infrav1.OCIMeshMachine{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "worker"},
		Spec: infrav1.OCIMeshMachineSpec{
			Shapes: []infrav1.Shape{{Name: "VM.Standard.A1.Flex", OCPUs: 2, MemoryGB: 12}},
			Image:  infrav1.Image{Platform: infrav1.PlatformImage{OperatingSystem: "Canonical Ubuntu", Version: "24.04"}},
		},
	}
}

func sameMachine(namespace string) *infrav1.OCIMeshMachine {
	machine := newMachine(namespace)
	machine.Annotations = map[string]string{infrav1.IdentityAnnotation: namespace + "/worker/0b5c3a1e-7d52-4f0e-9a53-3f2f0d1c9b11"}
	return machine
}

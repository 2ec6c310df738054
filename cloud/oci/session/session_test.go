// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci/session"
)

func key() session.Key {
	return session.Key{
		AccountUID: "uid-1", SecretUID: "secret-1", SecretVersion: "1", Region: "eu-frankfurt-1", CompartmentID: "c",
	}
}

var testKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// newClient builds a client without calling it.
func newClient() (*oci.Client, error) {
	fingerprint, err := oci.Fingerprint(&testKey().PublicKey)
	if err != nil {
		return nil, err
	}
	return oci.NewClient(oci.Config{
		Region: "eu-frankfurt-1", CompartmentID: "c",
		Principal: oci.Principal{Type: oci.UserPrincipalType, User: oci.UserPrincipal{
			TenancyID: "ocid1.tenancy.oc1..a", UserID: "ocid1.user.oc1..b", Fingerprint: fingerprint,
			PrivateKeyPEM: pem.EncodeToMemory(&pem.Block{
				Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(testKey()),
			}),
		}},
	})
}

func notBuilt() (*oci.Client, error) { return nil, errors.New("must not be built again") }

func TestSessionIsBuiltOnce(t *testing.T) {
	g := NewWithT(t)
	var cache session.Cache

	first, err := cache.Client(context.Background(), key(), newClient)
	g.Expect(err).NotTo(HaveOccurred())
	second, err := cache.Client(context.Background(), key(), notBuilt)
	g.Expect(err).NotTo(HaveOccurred())

	g.Expect(second).To(BeIdenticalTo(first))
}

func TestSessionIsBuiltOnceForManyCallers(t *testing.T) {
	g := NewWithT(t)
	var cache session.Cache
	var builds atomic.Int32
	var wg sync.WaitGroup
	clients := make([]*oci.Client, 50)

	for i := range clients {
		wg.Go(func() {
			clients[i], _ = cache.Client(context.Background(), key(), func() (*oci.Client, error) {
				builds.Add(1)
				return newClient()
			})
		})
	}
	wg.Wait()

	g.Expect(builds.Load()).To(Equal(int32(1)))
	for _, client := range clients {
		g.Expect(client).To(BeIdenticalTo(clients[0]))
	}
}

func TestEveryPartOfTheKeyCounts(t *testing.T) {
	for name, change := range map[string]func(*session.Key){
		"account":     func(k *session.Key) { k.AccountUID = "uid-2" },
		"secret":      func(k *session.Key) { k.SecretUID = "secret-2" },
		"version":     func(k *session.Key) { k.SecretVersion = "2" },
		"region":      func(k *session.Key) { k.Region = "uk-london-1" },
		"endpoint":    func(k *session.Key) { k.Endpoint = "https://example.com" },
		"compartment": func(k *session.Key) { k.CompartmentID = "d" },
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			var cache session.Cache
			first, err := cache.Client(context.Background(), key(), newClient)
			g.Expect(err).NotTo(HaveOccurred())
			changed := key()
			change(&changed)

			second, err := cache.Client(context.Background(), changed, newClient)

			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(second).NotTo(BeIdenticalTo(first))
		})
	}
}

func TestNewVersionReplacesTheOld(t *testing.T) {
	g := NewWithT(t)
	var cache session.Cache
	old, err := cache.Client(context.Background(), key(), newClient)
	g.Expect(err).NotTo(HaveOccurred())
	renewed := key()
	renewed.SecretVersion = "2"
	_, err = cache.Client(context.Background(), renewed, newClient)
	g.Expect(err).NotTo(HaveOccurred())

	again, err := cache.Client(context.Background(), key(), newClient)

	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(again).NotTo(BeIdenticalTo(old), "the old session was evicted")
}

func TestFailedBuildIsTriedAgain(t *testing.T) {
	g := NewWithT(t)
	var cache session.Cache
	bad := errors.New("no key")
	_, err := cache.Client(context.Background(), key(), func() (*oci.Client, error) { return nil, bad })
	g.Expect(err).To(MatchError(bad))

	_, err = cache.Client(context.Background(), key(), newClient)

	g.Expect(err).NotTo(HaveOccurred())
}

func TestPanickingBuildDoesNotHangTheOthers(t *testing.T) {
	g := NewWithT(t)
	var cache session.Cache
	g.Expect(func() {
		_, _ = cache.Client(context.Background(), key(), func() (*oci.Client, error) { panic("boom") })
	}).To(Panic())

	_, err := cache.Client(context.Background(), key(), newClient)

	g.Expect(err).NotTo(HaveOccurred())
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	g := NewWithT(t)
	var cache session.Cache
	building, finish, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		_, _ = cache.Client(context.Background(), key(), func() (*oci.Client, error) {
			close(building)
			<-finish
			return newClient()
		})
	}()
	<-building
	ctx, cancel := context.WithCancel(context.Background())
	cancel()

	_, err := cache.Client(ctx, key(), notBuilt)

	g.Expect(errors.Is(err, context.Canceled)).To(BeTrue())
	close(finish)
	<-done
}

func TestForgottenAccountIsBuiltAgain(t *testing.T) {
	g := NewWithT(t)
	var cache session.Cache
	first, err := cache.Client(context.Background(), key(), newClient)
	g.Expect(err).NotTo(HaveOccurred())

	cache.Forget("uid-1")
	cache.Forget("uid-unknown")
	second, err := cache.Client(context.Background(), key(), newClient)

	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(second).NotTo(BeIdenticalTo(first))
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
)

const passphrase = "correct horse"

// encryptedKeyPEM is the old OpenSSL form, as produced by OCI's own instructions.
func encryptedKeyPEM(t *testing.T) []byte {
	t.Helper()
	//nolint:staticcheck // Users have such keys.
	block, err := x509.EncryptPEMBlock(rand.Reader, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(testKey()), []byte(passphrase), x509.PEMCipherAES256)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return pem.EncodeToMemory(block)
}

func pkcs8PEM(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func TestCredentialsThatCannotWorkAreRefusedEarly(t *testing.T) {
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")})
	for _, tc := range []struct {
		name   string
		change func(*oci.UserPrincipal)
		want   string
	}{
		{"no key", func(u *oci.UserPrincipal) { u.PrivateKeyPEM = nil }, "the key in the Secret is not a PEM private key"},
		{"a key that is no PEM", func(u *oci.UserPrincipal) { u.PrivateKeyPEM = []byte("abcSECRETabc") }, "the key in the Secret is not a PEM private key"},
		{"a public key", func(u *oci.UserPrincipal) { u.PrivateKeyPEM = public }, "the key in the Secret is not a PEM private key"},
		{"a damaged key", func(u *oci.UserPrincipal) {
			u.PrivateKeyPEM = pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: []byte("x")})
		}, "not an RSA private key"},
		{"an EC key", func(u *oci.UserPrincipal) { u.PrivateKeyPEM = pkcs8PEM(t, ecKey) }, "not an RSA private key"},
		{"an encrypted key without passphrase", func(u *oci.UserPrincipal) { u.PrivateKeyPEM = encryptedKeyPEM(t) }, "has no passphrase"},
		{"a wrong passphrase", func(u *oci.UserPrincipal) { u.PrivateKeyPEM, u.Passphrase = encryptedKeyPEM(t), "wrong" }, "does not open the key"},
		{"a wrong fingerprint", func(u *oci.UserPrincipal) { u.Fingerprint = "00:11" }, "does not belong to the key"},
		{"no fingerprint", func(u *oci.UserPrincipal) { u.Fingerprint = "" }, "fingerprint in the Secret is empty"},
		{"a compartment for a tenancy", func(u *oci.UserPrincipal) { u.TenancyID = compartmentID }, "not the OCID of a tenancy"},
		{"no user", func(u *oci.UserPrincipal) { u.UserID = "" }, "not the OCID of a user"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := NewWithT(t)
			config := testConfig(t, "http://127.0.0.1:1")
			tc.change(&config.Principal.User)

			_, err := oci.NewClient(config)

			g.Expect(cloud.KindOf(err)).To(Equal(cloud.InvalidCredentials), "%v", err)
			g.Expect(err).To(MatchError(ContainSubstring(tc.want)))
			g.Expect(cloud.UserMessage(err)).To(ContainSubstring("correct the Secret"))
			g.Expect(err.Error()).NotTo(ContainSubstring("SECRET"))
		})
	}
}

func TestKeysOfAllForms(t *testing.T) {
	for name, set := range map[string]func(*oci.UserPrincipal){
		"PKCS#1":           func(*oci.UserPrincipal) {},
		"PKCS#8":           func(u *oci.UserPrincipal) { u.PrivateKeyPEM = pkcs8PEM(t, testKey()) },
		"encrypted PKCS#1": func(u *oci.UserPrincipal) { u.PrivateKeyPEM, u.Passphrase = encryptedKeyPEM(t), passphrase },
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			f := newFake(t)
			f.on(instancePath, answer(200, `{}`))
			client := newClient(t, f, func(c *oci.Config) { set(&c.Principal.User) })

			_, err := client.GetInstance(context.Background(), instanceID)

			g.Expect(err).NotTo(HaveOccurred())
			user := testUser(t)
			g.Expect(f.seen()[0].header.Get("Authorization")).To(
				ContainSubstring(`keyId="` + tenancyID + "/" + user.UserID + "/" + user.Fingerprint + `"`))
		})
	}
}

func TestConfigThatCannotWorkIsRefused(t *testing.T) {
	for name, change := range map[string]func(*oci.Config){
		"no region":                 func(c *oci.Config) { c.Region = "" },
		"no compartment":            func(c *oci.Config) { c.CompartmentID = "" },
		"an endpoint with a path":   func(c *oci.Config) { c.Endpoint = "https://example.com/oci" },
		"an endpoint with a user":   func(c *oci.Config) { c.Endpoint = "https://a:b@example.com" },
		"an endpoint of no scheme":  func(c *oci.Config) { c.Endpoint = "example.com" },
		"an endpoint of no web":     func(c *oci.Config) { c.Endpoint = "file:///etc" },
		"an endpoint with a query":  func(c *oci.Config) { c.Endpoint = "https://example.com?a=b" },
		"an endpoint of no meaning": func(c *oci.Config) { c.Endpoint = "https://%zz" },
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			config := testConfig(t, "")
			change(&config)

			_, err := oci.NewClient(config)

			g.Expect(cloud.KindOf(err)).To(Equal(cloud.InvalidRequest), "%v", err)
		})
	}
}

func TestPrincipalThatDoesNotExist(t *testing.T) {
	g := NewWithT(t)
	config := testConfig(t, "")
	config.Principal.Type = "Nobody"

	_, err := oci.NewClient(config)

	g.Expect(cloud.KindOf(err)).To(Equal(cloud.InvalidCredentials))
}

func TestWorkloadIdentityOutsideOKE(t *testing.T) {
	g := NewWithT(t)
	config := testConfig(t, "")
	config.Principal = oci.Principal{Type: oci.WorkloadIdentityType}

	_, err := oci.NewClient(config)

	g.Expect(cloud.KindOf(err)).To(Equal(cloud.InvalidCredentials))
	g.Expect(err).To(MatchError(ContainSubstring("a pod of an enhanced OKE cluster")))
}

func TestPrincipalsDoNotPrint(t *testing.T) {
	g := NewWithT(t)
	config := testConfig(t, "")
	config.Principal.User.Passphrase = passphrase

	asJSON, err := json.Marshal(config.Principal)
	g.Expect(err).NotTo(HaveOccurred())

	for _, text := range []string{
		fmt.Sprint(config), fmt.Sprintf("%+v", config), fmt.Sprintf("%#v", config), fmt.Sprintf("%s", config.Principal.User),
		string(asJSON),
	} {
		g.Expect(text).To(ContainSubstring("[user principal]"))
		g.Expect(text).NotTo(ContainSubstring(passphrase))
		g.Expect(text).NotTo(ContainSubstring("BEGIN"))
	}
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/common/auth"
)

// unsigned is a token with the claims.
func unsigned(g *WithT, claims map[string]any) string {
	content, err := json.Marshal(claims)
	g.Expect(err).NotTo(HaveOccurred())
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(content) + ".c2ln"
}

// proxymux is what OKE runs beside the API server, at a port of its own: it gives a token of OCI's
// for one of a service account.
func proxymux(t *testing.T, answer http.HandlerFunc) {
	t.Helper()
	g := NewWithT(t)
	var listener net.Listener
	// The port is always the same one: the same test may hold it in another checkout.
	g.Eventually(func() (err error) {
		listener, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", auth.KubernetesProxymuxServicePort))
		return err
	}, time.Minute, 10*time.Millisecond).Should(Succeed(), "OKE's port must be free")
	server := httptest.NewUnstartedServer(answer)
	g.Expect(server.Listener.Close()).To(Succeed())
	server.Listener = listener
	server.StartTLS()
	t.Cleanup(server.Close)
	ca := filepath.Join(t.TempDir(), "ca.crt")
	g.Expect(os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600)).To(Succeed())
	t.Setenv(auth.OciKubernetesServiceAccountCertPath, ca)
	t.Setenv(auth.KubernetesServiceHostEnvVar, "127.0.0.1")
}

// unset takes a variable away for a test.
func unset(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		t.Setenv(name, "")
		NewWithT(t).Expect(os.Unsetenv(name)).To(Succeed())
	}
}

func TestWorkloadIdentityNeedsNothingButThePodsOwnToken(t *testing.T) {
	g := NewWithT(t)
	unset(t, auth.ResourcePrincipalVersionEnvVar, auth.ResourcePrincipalRegionEnvVar)
	now := time.Now().Unix()
	session := unsigned(g, map[string]any{"exp": now + 3600, "iat": now, "res_tenant": "ocid1.tenancy.oc1..cluster"})
	account := unsigned(g, map[string]any{"exp": now + 3600, "sub": "system:serviceaccount:capom-system:capom-manager"})
	var asked *http.Request
	proxymux(t, func(w http.ResponseWriter, r *http.Request) {
		asked = r
		content, _ := json.Marshal(map[string]string{"token": "ST$" + session})
		_, _ = w.Write([]byte(`"` + base64.StdEncoding.EncodeToString(content) + `"`))
	})

	provider, err := workloadIdentity(auth.NewSuppliedServiceAccountTokenProvider(account), "eu-frankfurt-1")

	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(provider.KeyID()).To(Equal("ST$" + session))
	g.Expect(provider.TenancyOCID()).To(Equal("ocid1.tenancy.oc1..cluster"))
	g.Expect(asked.URL.Path).To(Equal("/resourcePrincipalSessionTokens"))
	g.Expect(asked.Header.Get("Authorization")).To(Equal("Bearer " + account))

	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://iaas.eu-zurich-1.oraclecloud.com/20160918/instances", http.NoBody)
	g.Expect(err).NotTo(HaveOccurred())
	regional := regionalProvider{ConfigurationProvider: provider, region: "eu-zurich-1"}
	g.Expect(regional.Region()).To(Equal("eu-zurich-1"), "an account is in its own region")
	request.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	g.Expect(common.DefaultRequestSigner(regional).Sign(request)).To(Succeed())
	g.Expect(request.Header.Get("Authorization")).To(ContainSubstring(`keyId="ST$` + session + `"`))
}

func TestWhatTheManifestSaysOfTheWorkloadStays(t *testing.T) {
	g := NewWithT(t)
	t.Setenv(auth.ResourcePrincipalVersionEnvVar, auth.ResourcePrincipalVersion1_1)
	t.Setenv(auth.ResourcePrincipalRegionEnvVar, "us-phoenix-1")
	unset(t, auth.KubernetesServiceHostEnvVar)

	_, err := workloadIdentity(auth.NewSuppliedServiceAccountTokenProvider("x"), "eu-frankfurt-1")

	g.Expect(err).To(HaveOccurred(), "this is no pod")
	g.Expect(os.Getenv(auth.ResourcePrincipalVersionEnvVar)).To(Equal(auth.ResourcePrincipalVersion1_1))
	g.Expect(os.Getenv(auth.ResourcePrincipalRegionEnvVar)).To(Equal("us-phoenix-1"))
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
)

const (
	tenancyID     = "ocid1.tenancy.oc1..aaaa"
	compartmentID = "ocid1.compartment.oc1..bbbb"
	instanceID    = "ocid1.instance.oc1.test.cccc"
)

// received is a request as the fake saw it.
type received struct {
	method, path string
	query        map[string][]string
	header       http.Header
	body         string
}

// fake is an OCI endpoint with a test's answers, and remembers its requests.
type fake struct {
	*httptest.Server

	mu       sync.Mutex
	requests []received
	answers  map[string]http.HandlerFunc
}

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{answers: map[string]http.HandlerFunc{}}
	f.Server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(f.Close)
	return f
}

func (f *fake) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	route := r.Method + " " + r.URL.Path
	f.mu.Lock()
	f.requests = append(f.requests, received{r.Method, r.URL.Path, r.URL.Query(), r.Header, string(body)})
	answer := f.answers[route]
	f.mu.Unlock()
	w.Header().Set("Opc-Request-Id", "req-1")
	w.Header().Set("Content-Type", "application/json")
	if answer == nil {
		w.WriteHeader(http.StatusNotImplemented)
		_, _ = io.WriteString(w, `{"code":"NotImplemented","message":"no answer for `+route+`"}`)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	answer(w, r)
}

// on sets the answer to a method and path, such as "GET /20160918/vcns".
func (f *fake) on(route string, answer http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers[route] = answer
}

// seen returns the requests so far.
func (f *fake) seen() []received {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.requests)
}

// answer is a fixed answer. Headers are pairs of name and value.
func answer(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for pair := range slices.Chunk(headers, 2) {
			w.Header().Set(pair[0], pair[1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// testKey is made once: making RSA keys is slow.
var testKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func testKeyPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(testKey())})
}

func testUser(t *testing.T) oci.UserPrincipal {
	t.Helper()
	fingerprint, err := oci.Fingerprint(&testKey().PublicKey)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return oci.UserPrincipal{
		TenancyID: tenancyID, UserID: "ocid1.user.oc1..dddd", Fingerprint: fingerprint, PrivateKeyPEM: testKeyPEM(),
	}
}

func testConfig(t *testing.T, endpoint string) oci.Config {
	t.Helper()
	return oci.Config{
		AccountName:    "alpha",
		Principal:      oci.Principal{Type: oci.UserPrincipalType, User: testUser(t)},
		Region:         "eu-frankfurt-1",
		CompartmentID:  compartmentID,
		Endpoint:       endpoint,
		RequestTimeout: 20 * time.Second,
		Limits:         oci.Unlimited(),
	}
}

func newClient(t *testing.T, f *fake, change ...func(*oci.Config)) *oci.Client {
	t.Helper()
	config := testConfig(t, f.URL)
	for _, c := range change {
		c(&config)
	}
	client, err := oci.NewClient(config)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(client.Close)
	return client
}

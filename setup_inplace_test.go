// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/client-go/util/cert"
	runtimehooksv1 "sigs.k8s.io/cluster-api/api/runtime/hooks/v1alpha1"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ports"
)

func TestUpdatesInPlaceAreOffUnlessTheirGateIsOpen(t *testing.T) {
	g := NewWithT(t)
	options := defaultOptions()
	g.Expect(options.gates.Enabled(inPlaceGate)).To(BeFalse())
	g.Expect(setupInPlace(nil, options)).To(Succeed(), "nothing is served")
}

func TestClusterAPIFindsAllHooksAndFailsWhereNobodyAnswers(t *testing.T) {
	g := NewWithT(t)
	port, err := ports.Reserve(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	folder := t.TempDir()
	certificate, key, err := cert.GenerateSelfSignedCertKey("localhost", nil, nil)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(os.WriteFile(filepath.Join(folder, "tls.crt"), certificate, 0o600)).To(Succeed())
	g.Expect(os.WriteFile(filepath.Join(folder, "tls.key"), key, 0o600)).To(Succeed())
	options := defaultOptions()
	options.extensionPort, options.webhookCertDir, options.webhookCertName, options.webhookKeyName = port, folder, "tls.crt", "tls.key"
	options.manager.TLSMinVersion = "VersionTLS12"
	server, err := newInPlaceServer(nil, options)
	g.Expect(err).NotTo(HaveOccurred())
	ended := make(chan error, 1)
	go func() { ended <- server.Start(t.Context()) }()
	t.Cleanup(func() { g.Expect(<-ended).To(Succeed()) })

	roots := x509.NewCertPool()
	g.Expect(roots.AppendCertsFromPEM(certificate)).To(BeTrue())
	caller := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS12}}}
	found := &runtimehooksv1.DiscoveryResponse{}
	g.Eventually(func(g Gomega) {
		answer, err := caller.Post(fmt.Sprintf("https://127.0.0.1:%d/hooks.runtime.cluster.x-k8s.io/v1alpha1/discovery", port),
			"application/json", bytes.NewBufferString("{}"))
		g.Expect(err).NotTo(HaveOccurred())
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(json.Unmarshal(text, found)).To(Succeed(), string(text))
	}).WithTimeout(time.Minute).Should(Succeed())
	var hooks []string
	for _, handler := range found.Handlers {
		hooks = append(hooks, handler.RequestHook.Hook)
		if handler.RequestHook.Hook != "Discovery" {
			g.Expect(handler.FailurePolicy).To(HaveValue(Equal(runtimehooksv1.FailurePolicyFail)))
		}
	}
	g.Expect(hooks).To(ContainElements("CanUpdateMachine", "CanUpdateMachineSet", "UpdateMachine"))
}

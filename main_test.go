// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
)

func TestAManagementClusterThatIsTooOldIsRefusedWithTheReason(t *testing.T) {
	g := NewWithT(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"major":"1","minor":"30","gitVersion":"v1.30.9"}`))
	}))
	defer server.Close()
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	g.Expect(os.WriteFile(kubeconfig, []byte(`{"apiVersion":"v1","kind":"Config","current-context":"old",
		"clusters":[{"name":"old","cluster":{"server":"`+server.URL+`"}}],
		"contexts":[{"name":"old","context":{"cluster":"old"}}]}`), 0o600)).To(Succeed())
	t.Setenv("KUBECONFIG", kubeconfig)

	_, err := newManager(defaultOptions())

	g.Expect(err).To(MatchError(And(ContainSubstring("v1.30.9"), ContainSubstring("minimum required version is v1.31.0"))))
}

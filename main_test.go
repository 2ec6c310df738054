// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

func TestAManagementClusterThatIsTooOldIsRefusedWithTheReason(t *testing.T) {
	g := NewWithT(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"major":"1","minor":"30","gitVersion":"v1.30.9"}`))
	}))
	defer server.Close()
	reach(t, server.URL)

	_, err := newManager(defaultOptions())

	g.Expect(err).To(MatchError(And(ContainSubstring("v1.30.9"), ContainSubstring("minimum required version is v1.31.0"))))
}

// reach has the server be the management cluster's API server.
func reach(t *testing.T, server string) {
	t.Helper()
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	NewWithT(t).Expect(os.WriteFile(kubeconfig, []byte(`{"apiVersion":"v1","kind":"Config","current-context":"test",
		"clusters":[{"name":"test","cluster":{"server":"`+server+`"}}],
		"contexts":[{"name":"test","context":{"cluster":"test"}}]}`), 0o600)).To(Succeed())
	t.Setenv("KUBECONFIG", kubeconfig)
}

func TestTheLogHasWarningsOfTheAPIServerButNotOfFinalizersNames(t *testing.T) {
	for warning, logged := range map[string]bool{
		`metadata.finalizers: "` + infrav1.OCIMeshMachineFinalizer + `": prefer a domain-qualified finalizer name including a path (/) ` +
			`to avoid accidental conflicts with other finalizer writers`: false,
		`unknown field "spec.shap"`: true,
	} {
		t.Run(warning, func(t *testing.T) {
			g := NewWithT(t)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Warning", "299 - "+strconv.Quote(warning))
				_, _ = w.Write([]byte(`{}`))
			}))
			defer server.Close()
			reach(t, server.URL)
			var log bytes.Buffer
			klog.LogToStderr(false)
			klog.SetOutput(&log)
			defer klog.LogToStderr(true)

			config, err := managementCluster(defaultOptions())
			g.Expect(err).NotTo(HaveOccurred())
			clients, err := kubernetes.NewForConfig(config)
			g.Expect(err).NotTo(HaveOccurred())
			_, err = clients.ServerVersion()
			g.Expect(err).NotTo(HaveOccurred())

			klog.Flush()
			g.Expect(log.Len() > 0).To(Equal(logged), log.String())
		})
	}
}

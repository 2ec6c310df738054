// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package mgmt

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func TestAManagementClusterRunsWithItsWebhooksAndLeavesNothingBehind(t *testing.T) {
	g := NewWithT(t)
	root, err := filepath.Abs("../..")
	g.Expect(err).NotTo(HaveOccurred())
	binaries, err := FindBinaries(t.Context(), root, os.Stderr)
	g.Expect(err).NotTo(HaveOccurred())
	options := Options{Root: root, Dir: t.TempDir(), Binaries: binaries, Progress: os.Stderr}
	env, err := Start(t.Context(), options)
	g.Expect(err).NotTo(HaveOccurred())
	processes := env.processes

	scheme := runtime.NewScheme()
	g.Expect(clusterv1.AddToScheme(scheme)).To(Succeed())
	c, err := client.New(env.Config, client.Options{Scheme: scheme})
	g.Expect(err).NotTo(HaveOccurred())
	invalid := &clusterv1.Cluster{ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: "Not.A.DNS.Label"}}
	g.Expect(c.Create(t.Context(), invalid)).To(Satisfy(apierrors.IsInvalid), "the webhook answers")
	proxy := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "addons.cluster.x-k8s.io/v1alpha1", "kind": "HelmChartProxy",
		"metadata": map[string]any{"namespace": "default", "name": "cilium"}, "spec": map[string]any{"chartName": "cilium"},
	}}
	g.Expect(c.Create(t.Context(), proxy)).To(Succeed())
	providers := &unstructured.UnstructuredList{}
	providers.SetAPIVersion("clusterctl.cluster.x-k8s.io/v1alpha3")
	providers.SetKind("ProviderList")
	g.Expect(c.List(t.Context(), providers)).To(Succeed())
	g.Expect(providers.Items).To(HaveLen(3))

	g.Expect(env.Stop()).To(Succeed())
	for _, p := range processes {
		g.Expect(p.Done()).To(BeClosed(), p.Log)
	}
	_, err = (&net.Dialer{Timeout: time.Second}).DialContext(t.Context(), "tcp", strings.TrimPrefix(env.Config.Host, "https://"))
	g.Expect(err).To(HaveOccurred(), "the API server is gone")
	g.Expect(env.Failed()).NotTo(Receive(), "no manager ended before it was told to")
}

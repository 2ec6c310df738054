// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package observability

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ports"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/fleet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/process"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/scrape"
)

// clusterWorld is what the Prometheus of a mesh cluster finds there.
type clusterWorld struct {
	// endpoint is the cluster's.
	endpoint map[string]any
	// discovered are the targets by job.
	discovered map[string][]scrape.Target
	// files are those in Prometheus' pod, and their places here.
	files map[string]string
}

// members are the addresses of the metrics of two members of an etcd: one alone has no round trips.
func members(t *testing.T) []string {
	t.Helper()
	g := NewWithT(t)
	var names, metrics []string
	peers := map[string]string{}
	for _, name := range []string{"a", "b"} {
		address, err := ports.Address(t.Context())
		g.Expect(err).NotTo(HaveOccurred())
		peers[name] = "http://" + address
		names = append(names, name+"="+peers[name])
	}
	for name, peer := range peers {
		client, err := ports.Address(t.Context())
		g.Expect(err).NotTo(HaveOccurred())
		address, err := ports.Address(t.Context())
		g.Expect(err).NotTo(HaveOccurred())
		dir := t.TempDir()
		member, err := process.Start(dir, "etcd-"+name, nil, filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "etcd"),
			"--name="+name, "--data-dir="+filepath.Join(dir, "data"), "--initial-cluster="+strings.Join(names, ","),
			"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer,
			"--listen-client-urls=http://"+client, "--advertise-client-urls=http://"+client, "--listen-metrics-urls=http://"+address)
		g.Expect(err).NotTo(HaveOccurred())
		t.Cleanup(member.Stop)
		metrics = append(metrics, "http://"+address+"/metrics")
	}
	return metrics
}

// recorded serves what a program was recorded to say.
func recorded(t *testing.T, name string) http.HandlerFunc {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = w.Write(content)
	}
}

// forwarded serves what another address does.
func forwarded(url string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		request, err := http.NewRequestWithContext(r.Context(), http.MethodGet, url, nil)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer func() { _ = response.Body.Close() }()
		w.Header().Set("Content-Type", response.Header.Get("Content-Type"))
		_, _ = io.Copy(w, response.Body)
	}
}

// serve gives the address of a server of these pages.
func serve(t *testing.T, pages map[string]http.HandlerFunc) string {
	t.Helper()
	mux := http.NewServeMux()
	for path, page := range pages {
		mux.Handle(path, page)
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// clusterOf is a cluster of two control planes, whose API server is the fleet's.
func clusterOf(t *testing.T, f *fleet.Fleet, dir string, etcd []string) clusterWorld {
	t.Helper()
	g := NewWithT(t)
	w := clusterWorld{discovered: map[string][]scrape.Target{}}
	for i, metrics := range etcd {
		address := serve(t, map[string]http.HandlerFunc{"/metrics": recorded(t, "tailscaled.prom"), "/etcd": forwarded(metrics)})
		pod := scrape.Target{Address: address, Labels: map[string]string{
			"__meta_kubernetes_pod_label_app":                                           "capom-metrics",
			"__meta_kubernetes_pod_container_name":                                      "proxy",
			"__meta_kubernetes_pod_node_name":                                           fmt.Sprintf("node-%d", i),
			"__meta_kubernetes_node_labelpresent_node_role_kubernetes_io_control_plane": "true",
		}}
		w.discovered["tailscaled"] = append(w.discovered["tailscaled"], pod)
		w.discovered["etcd"] = append(w.discovered["etcd"], pod)
	}
	address := serve(t, map[string]http.HandlerFunc{"/metrics": recorded(t, "cilium.prom")})
	_, port, err := net.SplitHostPort(address)
	g.Expect(err).NotTo(HaveOccurred())
	w.discovered["cilium"] = []scrape.Target{{Address: "127.0.0.1:1", Labels: map[string]string{
		"__meta_kubernetes_pod_annotation_prometheus_io_scrape": "true",
		"__meta_kubernetes_pod_annotation_prometheus_io_port":   port,
		"__meta_kubernetes_pod_label_k8s_app":                   "cilium",
		"__meta_kubernetes_pod_node_name":                       "node-0",
	}}}

	config, err := clientcmd.BuildConfigFromFlags("", filepath.Join(dir, "kubeconfig"))
	g.Expect(err).NotTo(HaveOccurred())
	server, err := url.Parse(config.Host)
	g.Expect(err).NotTo(HaveOccurred())
	number, err := strconv.Atoi(server.Port())
	g.Expect(err).NotTo(HaveOccurred())
	w.endpoint = map[string]any{"host": server.Hostname(), "port": number}
	w.files = map[string]string{}
	for name, content := range map[string][]byte{"ca.crt": config.CAData, "token": []byte(prometheusToken(t, f, w.endpoint))} {
		file := filepath.Join(t.TempDir(), name)
		g.Expect(os.WriteFile(file, content, 0o600)).To(Succeed())
		w.files["/var/run/secrets/kubernetes.io/serviceaccount/"+name] = file
	}
	return w
}

// prometheusToken is the token of the service account that the fleet's chart gives a right.
func prometheusToken(t *testing.T, f *fleet.Fleet, endpoint map[string]any) string {
	t.Helper()
	g := NewWithT(t)
	manifests, err := scrape.Manifests(fleetValues(t, endpoint))
	g.Expect(err).NotTo(HaveOccurred())
	for _, manifest := range manifests {
		if manifest["kind"] != "ClusterRoleBinding" {
			continue
		}
		var binding rbacv1.ClusterRoleBinding
		g.Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(manifest, &binding)).To(Succeed())
		g.Expect(f.Client.Create(t.Context(), &binding)).To(Succeed())
		parts := strings.Split(binding.Subjects[0].Name, ":")
		g.Expect(parts).To(HaveLen(4))
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: parts[2], Name: parts[3]}}
		g.Expect(f.Client.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: account.Namespace}})).To(Succeed())
		g.Expect(f.Client.Create(t.Context(), account)).To(Succeed())
		request := &authenticationv1.TokenRequest{}
		g.Expect(f.Client.SubResource("token").Create(t.Context(), account, request)).To(Succeed())
		return request.Status.Token
	}
	t.Fatal("the chart gives Prometheus no right")
	return ""
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// kubelet is what runs on a node, as the API server's proxy shows it.
type kubelet struct {
	mu   sync.Mutex
	pods corev1.PodList
}

func (k *kubelet) finds(pods ...*corev1.Pod) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, pod := range pods {
		k.pods.Items = append(k.pods.Items, *pod)
	}
}

func (k *kubelet) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(k.pods)
}

// startsKubelet has a node answer for its pods; it knows none at first. The API server of the tests
// reaches no node, so the cluster's kubeconfig names a server before it.
func (b *bench) startsKubelet(t *testing.T, node *corev1.Node) *kubelet {
	t.Helper()
	g := NewWithT(t)
	target, err := url.Parse(env.Config.Host)
	g.Expect(err).NotTo(HaveOccurred())
	before := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	before.Transport, err = rest.TransportFor(env.Config)
	g.Expect(err).NotTo(HaveOccurred())
	found := &kubelet{}
	mux := http.NewServeMux()
	mux.Handle("/", before)
	mux.Handle("/api/v1/nodes/"+node.Name+"/proxy/pods", found)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	kubeconfig, err := clientcmd.Write(api.Config{
		Clusters: map[string]*api.Cluster{"c": {Server: server.URL}}, AuthInfos: map[string]*api.AuthInfo{"u": {}},
		Contexts: map[string]*api.Context{"u@c": {Cluster: "c", AuthInfo: "u"}}, CurrentContext: "u@c",
	})
	g.Expect(err).NotTo(HaveOccurred())
	secret := b.kubeconfig(t)
	g.Expect(b.Client.Get(t.Context(), client.ObjectKeyFromObject(secret), secret)).To(Succeed())
	secret.Data["value"] = kubeconfig
	g.Expect(b.Client.Update(t.Context(), secret)).To(Succeed())
	return found
}

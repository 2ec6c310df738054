// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package nodesim

import (
	"crypto/x509"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/version"
	inmemoryruntime "sigs.k8s.io/cluster-api/test/infrastructure/inmemory/pkg/runtime"
	inmemoryapi "sigs.k8s.io/cluster-api/test/infrastructure/inmemory/pkg/server/api"
	inmemoryetcd "sigs.k8s.io/cluster-api/test/infrastructure/inmemory/pkg/server/etcd"
)

// apiHandler serves one workload cluster: Cluster API's in-memory API server and etcd, with
// additions in front: client authentication, quorum, and the routes for drain, kubelets' pods, node
// conditions and Helm.
type apiHandler struct {
	cluster *cluster
	api     http.Handler
	etcd    http.Handler
}

func newAPIHandler(c *cluster, m inmemoryruntime.Manager, log logr.Logger) *apiHandler {
	// An endpoint belongs to one cluster, so the request's host does not matter.
	group := func(string) (string, error) { return c.group, nil }
	return &apiHandler{
		cluster: c,
		api:     inmemoryapi.NewAPIServerHandler(m, log, group),
		etcd:    inmemoryetcd.NewEtcdServerHandler(m, log, group),
	}
}

func (h *apiHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 2 && strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
		h.serveEtcd(w, r)
		return
	}
	switch r.URL.Path {
	case "/healthz", "/livez", "/readyz":
		h.serveHealth(w)
		return
	case "/version":
		h.serveVersion(w)
		return
	}
	if !h.cluster.ca().signs(peers(r)) {
		refuse(w, http.StatusUnauthorized, "Unauthorized", "the client presented no certificate of the cluster's CA")
		return
	}
	if !h.cluster.hasQuorum() {
		refuse(w, http.StatusInternalServerError, "InternalError", "etcdserver: request timed out: the cluster has lost its quorum")
		return
	}
	h.serveAPI(w, r)
}

func (h *apiHandler) serveEtcd(w http.ResponseWriter, r *http.Request) {
	if !h.cluster.etcdCA().signs(peers(r)) {
		http.Error(w, "the client presented no certificate of the etcd CA", http.StatusUnauthorized)
		return
	}
	if !h.cluster.hasQuorum() {
		http.Error(w, "etcdserver: request timed out", http.StatusServiceUnavailable)
		return
	}
	h.etcd.ServeHTTP(w, r)
}

func (h *apiHandler) serveAPI(w http.ResponseWriter, r *http.Request) {
	if pod, ok := strings.CutSuffix(r.URL.Path, "/eviction"); ok && r.Method == http.MethodPost {
		// Nothing in the cluster has a disruption budget: evicting is deleting.
		r.Method, r.URL.Path = http.MethodDelete, pod
	}
	if node, ok := kubeletsPods(r.URL.Path); ok {
		h.serveKubeletsPods(w, r, node)
		return
	}
	// The in-memory store has no subresources; a status is part of its object.
	r.URL.Path = strings.TrimSuffix(r.URL.Path, "/status")
	h.api.ServeHTTP(w, r)
}

// kubeletsPods is the node whose kubelet is asked for its pods, through the API server.
func kubeletsPods(path string) (node string, asked bool) {
	rest, of := strings.CutPrefix(path, "/api/v1/nodes/")
	node, asked = strings.CutSuffix(rest, "/proxy/pods")
	return node, of && asked
}

func (h *apiHandler) serveKubeletsPods(w http.ResponseWriter, r *http.Request, node string) {
	pods, err := h.cluster.podsOn(r.Context(), node)
	if err != nil {
		refuse(w, http.StatusInternalServerError, metav1.StatusReasonInternalError, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(corev1.PodList{Items: pods})
}

func (h *apiHandler) serveHealth(w http.ResponseWriter) {
	if !h.cluster.hasQuorum() {
		http.Error(w, "[-]etcd failed: no quorum", http.StatusInternalServerError)
		return
	}
	_, _ = w.Write([]byte("ok"))
}

func (h *apiHandler) serveVersion(w http.ResponseWriter) {
	v := h.cluster.apiVersion()
	major, minor, _ := strings.Cut(strings.TrimPrefix(v, "v"), ".")
	minor, _, _ = strings.Cut(minor, ".")
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(version.Info{Major: major, Minor: minor, GitVersion: v})
}

func peers(r *http.Request) []*x509.Certificate {
	if r.TLS == nil {
		return nil
	}
	return r.TLS.PeerCertificates
}

func refuse(w http.ResponseWriter, code int, reason metav1.StatusReason, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
		Status:   metav1.StatusFailure, Code: int32(code), Reason: reason, Message: message,
	})
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd/api"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/kubeconfig"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
)

const condition = "NodeReady"

// pass is a pass of any kind.
type pass struct{ phases.Pass }

// refusing is a cluster that shows the Node a, which is Ready and cordoned, and refuses all else.
func refusing(t *testing.T) *httptest.Server {
	t.Helper()
	answer := func(w http.ResponseWriter, status int, object any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(object)
	}
	mux := http.NewServeMux()
	refusal := apierrors.NewForbidden(corev1.Resource("things"), "a", errors.New("no such right")).ErrStatus
	refusal.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusForbidden, refusal) })
	mux.HandleFunc("GET /api/v1/nodes/a", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, corev1.Node{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Node"},
			ObjectMeta: metav1.ObjectMeta{
				Name: "a", ResourceVersion: "1", Annotations: map[string]string{infrav1.AfterDrainAnnotation: infrav1.AfterDrainUncordon},
			},
			Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}},
		})
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

// A phase returns what the management cluster's API server refuses, and the queue repeats it in
// silence. What another cluster's refuses may last, and a person has to hear of it.
func TestWhatAClustersOwnAPIServerRefusesIsToldInACondition(t *testing.T) {
	g := NewWithT(t)
	server, key := refusing(t), client.ObjectKey{Namespace: "default", Name: "blue"}
	text := kubeconfigOf(t, func(cluster *api.Cluster, _ *api.AuthInfo) { cluster.Server = server.URL })
	cluster, machine := &clusterv1.Cluster{}, &clusterv1.Machine{}
	cluster.Namespace, cluster.Name = key.Namespace, key.Name
	management := fake.NewClientBuilder().WithObjects(kubeconfig.GenerateSecret(cluster, text)).Build()
	nodes, err := NodesOf(t.Context(), management, key)
	g.Expect(err).NotTo(HaveOccurred())
	drain, err := DrainOf(t.Context(), management, cluster, machine, "a")
	g.Expect(err).NotTo(HaveOccurred())

	for name, ask := range map[string]func(context.Context) error{
		"no kubeconfig": func(ctx context.Context) error {
			_, err := NodesOf(ctx, fake.NewClientBuilder().Build(), key)
			return err
		},
		"no kubeconfig for a drain": func(ctx context.Context) error {
			_, err := DrainOf(ctx, fake.NewClientBuilder().Build(), cluster, machine, "a")
			return err
		},
		"a Node":          func(ctx context.Context) error { _, err := nodes.Get(ctx, "b"); return err },
		"an annotation":   func(ctx context.Context) error { return nodes.Annotate(ctx, "a", "key", "value") },
		"a kubelet":       func(ctx context.Context) error { _, err := nodes.NotReady(ctx, time.Now(), "a", "etcd"); return err },
		"a Node to drain": func(ctx context.Context) error { _, err := DrainOf(ctx, management, cluster, machine, "b"); return err },
		"its cordon":      drain.Cordon,
		"its end":         drain.Uncordon,
		"evictions":       func(ctx context.Context) error { _, err := drain.Evict(ctx); return err },
		"room elsewhere":  func(ctx context.Context) error { _, err := drain.Obstacle(ctx); return err },
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			s, err := &pass{}, error(nil)
			g.Expect(phases.Run(t.Context(), s, []phases.Phase[*pass]{{
				Name: "ask cluster", Condition: condition, Run: func(ctx context.Context, _ *pass) error { err = ask(ctx); return err },
			}})).To(Succeed())
			told, isTold := s.Noted(condition)
			g.Expect(isTold).To(BeTrue())
			g.Expect([]string{string(told.Status), told.Reason}).To(Equal([]string{"False", infrav1.UnavailableReason}))
			g.Expect(told.Message).To(Equal("Waiting for the cluster's API server: " + err.Error()))
			g.Expect(apierrors.ReasonForError(err)).NotTo(Equal(metav1.StatusReasonUnknown), "what it is of stays known")
		})
	}
}

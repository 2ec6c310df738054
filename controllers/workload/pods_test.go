// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

const kubeletsPods = "/api/v1/nodes/a/proxy/pods"

// scheduler is a node's static pod; it was ready or not since a minute of an hour.
func scheduler(ready corev1.ConditionStatus, minute int) corev1.Pod {
	return corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceSystem, Name: "kube-scheduler-a"},
		Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{
			Type: corev1.PodReady, Status: ready, LastTransitionTime: metav1.Date(2026, 11, 30, 2, minute, 0, 0, time.UTC),
		}}},
	}
}

// clusterWith has static pods as a node's kubelet and as the API server has them.
func clusterWith(t *testing.T, kubelets, written []corev1.Pod) http.Handler {
	t.Helper()
	mux := http.NewServeMux()
	answer := func(path string, object any) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(object)
		})
	}
	answer(kubeletsPods, corev1.PodList{Items: kubelets})
	for _, pod := range written {
		answer("/api/v1/namespaces/kube-system/pods/"+pod.Name, pod)
	}
	return mux
}

func notReady(t *testing.T, cluster http.Handler) (string, error) {
	t.Helper()
	server := httptest.NewServer(cluster)
	t.Cleanup(server.Close)
	nodes, err := nodesBy(&rest.Config{Host: server.URL})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return nodes.NotReady(t.Context(), time.Date(2026, 11, 30, 2, 8, 0, 0, time.UTC), "a", "kube-scheduler")
}

func TestAStaticPodIsReadyWhenItsKubeletAndTheAPIServerAgree(t *testing.T) {
	const not = "kube-scheduler-a"
	ready, unready := corev1.ConditionTrue, corev1.ConditionFalse
	elsewhere := scheduler(ready, 5)
	elsewhere.Namespace = metav1.NamespaceDefault
	for name, world := range map[string]struct {
		kubelets, written []corev1.Pod
		want              string
	}{
		"both have it ready":                             {[]corev1.Pod{scheduler(ready, 5)}, []corev1.Pod{scheduler(ready, 5)}, ""},
		"the API server's is of the kubelet of before":   {[]corev1.Pod{scheduler(unready, 6)}, []corev1.Pod{scheduler(ready, 5)}, not},
		"kubelet has not looked at it yet":               {[]corev1.Pod{{ObjectMeta: scheduler(ready, 0).ObjectMeta}}, []corev1.Pod{scheduler(ready, 5)}, not},
		"kubelet has none yet":                           {nil, []corev1.Pod{scheduler(ready, 5)}, not},
		"kubelet has one of another namespace":           {[]corev1.Pod{elsewhere}, []corev1.Pod{scheduler(ready, 5)}, not},
		"kubelet has yet to write that it is ready":      {[]corev1.Pod{scheduler(ready, 7)}, []corev1.Pod{scheduler(unready, 6)}, not},
		"kubelet has yet to write that it was not ready": {[]corev1.Pod{scheduler(ready, 7)}, []corev1.Pod{scheduler(ready, 5)}, not},
		"its node was lost in between":                   {[]corev1.Pod{scheduler(ready, 5)}, []corev1.Pod{scheduler(unready, 6)}, not},
		"it has become ready just now":                   {[]corev1.Pod{scheduler(ready, 8)}, []corev1.Pod{scheduler(ready, 8)}, not},
		"its node's clock is ahead":                      {[]corev1.Pod{scheduler(ready, 9)}, []corev1.Pod{scheduler(ready, 9)}, ""},
		"the API server has none":                        {[]corev1.Pod{scheduler(ready, 5)}, nil, not},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			found, err := notReady(t, clusterWith(t, world.kubelets, world.written))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(found).To(Equal(world.want))
		})
	}
}

func TestWithoutItsKubeletNobodyKnowsWhetherAStaticPodIsReady(t *testing.T) {
	for name, kubelet := range map[string]http.HandlerFunc{
		"it does not answer": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
		"it answers without end": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("{" + strings.Repeat(" ", podsLimit) + "}"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			mux := http.NewServeMux()
			mux.Handle("/", clusterWith(t, nil, []corev1.Pod{scheduler(corev1.ConditionTrue, 5)}))
			mux.Handle(kubeletsPods, kubelet)
			_, err := notReady(t, mux)
			NewWithT(t).Expect(err).To(MatchError(ContainSubstring("asking kubelet of node a for its pods")))
		})
	}
}

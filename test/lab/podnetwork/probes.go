// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package podnetwork

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// Probes are the pods for answering and asking, one on each node.
type Probes struct {
	clientset *kubernetes.Clientset
	Pods      []corev1.Pod
}

// Answer is a probe's result, or its error.
type Answer struct {
	Value   any     `json:"value"`
	Error   string  `json:"error"`
	Seconds float64 `json:"seconds"`
}

// FindProbes finds the running probes, and fails unless there are so many.
func FindProbes(ctx context.Context, config *rest.Config, nodes int) (*Probes, error) {
	clientset, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	pods, err := clientset.CoreV1().Pods("default").List(ctx, metav1.ListOptions{LabelSelector: "app=lab-probe"})
	if err != nil {
		return nil, fmt.Errorf("list the probes: %w", err)
	}
	p := &Probes{clientset: clientset}
	for _, pod := range pods.Items {
		if ready(pod) {
			p.Pods = append(p.Pods, pod)
		}
	}
	if len(p.Pods) != nodes {
		return nil, fmt.Errorf("%d of %d probes are ready", len(p.Pods), nodes)
	}
	return p, nil
}

func ready(pod corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue && pod.DeletionTimestamp.IsZero()
		}
	}
	return false
}

// Ask has a probe do something, by way of the API server: do is ask, resolve, stream, connect or
// datagram, with its parameter.
func (p *Probes) Ask(ctx context.Context, pod corev1.Pod, do, parameter, value string) (Answer, error) {
	var a Answer
	text, err := p.clientset.CoreV1().RESTClient().Get().Namespace(pod.Namespace).Resource("pods").Name(pod.Name+":8080").
		SubResource("proxy").Suffix(do).Param(parameter, value).DoRaw(ctx)
	if err == nil {
		err = json.Unmarshal(text, &a)
	}
	if err != nil {
		return a, fmt.Errorf("ask the probe on %s: %w", pod.Spec.NodeName, err)
	}
	return a, nil
}

// Missing asks every probe to reach every other one, the API server by its Service, and a Service
// by its name. It describes the failures; it is empty when everything works.
func (p *Probes) Missing(ctx context.Context) string {
	missing := make([][]string, len(p.Pods))
	var asked sync.WaitGroup
	for i, from := range p.Pods {
		asked.Go(func() {
			for _, to := range p.Pods {
				missing[i] = append(missing[i], p.reach(ctx, from, "http://"+to.Status.PodIP+":8080/", "the pod on "+to.Spec.NodeName)...)
			}
			missing[i] = append(missing[i], p.reach(ctx, from, "https://10.96.0.1/readyz", "the Service kubernetes")...)
			missing[i] = append(missing[i], p.reach(ctx, from, "http://lab-probe.default.svc.cluster.local/", "a Service by its name")...)
		})
	}
	asked.Wait()
	return strings.Join(slices.Concat(missing...), "; ")
}

func (p *Probes) reach(ctx context.Context, from corev1.Pod, address, what string) []string {
	a, err := p.Ask(ctx, from, "ask", "url", address)
	switch {
	case err != nil:
		return []string{err.Error()}
	case a.Error != "":
		return []string{fmt.Sprintf("the pod on %s does not reach %s: %s", from.Spec.NodeName, what, a.Error)}
	}
	return nil
}

// CanReach tells whether a probe gets any answer from a URL.
func (p *Probes) CanReach(ctx context.Context, from corev1.Pod, address *url.URL) (bool, error) {
	a, err := p.Ask(ctx, from, "ask", "url", address.String())
	return err == nil && a.Error == "", err
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// podsLimit is what is read of a kubelet's answer: whoever has a node must not fill the memory.
const podsLimit = 16 << 20

// readyFor is how long a static pod must have been ready. Those that have passed their startup
// probe are ready until the readiness probe, which kubeadm has asked each second, has failed three
// times.
const readyFor = 10 * time.Second

// NotReady is the first missing or unready static pod of a node, named as kubeadm does; empty if
// there is none. kubelet and the API server must agree. A new kubelet takes each for not ready
// until its probes have passed (isContainerStarted and UpdatePodStatus in its prober_manager.go: a
// file has no status to go on from). Until it has written so, the API server has the findings of
// the one before.
func (n Nodes) NotReady(ctx context.Context, now time.Time, node string, components ...string) (string, error) {
	seen, err := n.seenByKubelet(ctx, node)
	if err != nil {
		return "", ofCluster(fmt.Errorf("asking kubelet of node %s for its pods: %w", node, err))
	}
	for _, component := range components {
		name := component + "-" + node
		pod, err := n.pods.Get(ctx, name, metav1.GetOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return "", ofCluster(err)
		}
		// kubelet writes when a pod became ready as it knows it: an older time is of before.
		since, ready := readySince(seen[name])
		written, has := readySince(pod.Status.Conditions)
		if err != nil || !ready || !has || written.Before(since) || isRecent(now.Sub(since)) {
			return name, nil
		}
	}
	return "", nil
}

// isRecent does not wait for a node whose clock is ahead.
func isRecent(age time.Duration) bool { return age >= 0 && age < readyFor }

// seenByKubelet are the conditions of the pods of kube-system, as the node's present kubelet has
// them. Of a static pod not checked yet it knows nothing (GetPods in kubelet_getters.go, v1.37).
func (n Nodes) seenByKubelet(ctx context.Context, node string) (map[string][]corev1.PodCondition, error) {
	answer, err := n.rest.Get().Resource("nodes").Name(node).SubResource("proxy").Suffix("pods").Stream(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Close() }()
	list := &corev1.PodList{}
	if err := json.NewDecoder(io.LimitReader(answer, podsLimit)).Decode(list); err != nil {
		return nil, err
	}
	seen := map[string][]corev1.PodCondition{}
	for _, pod := range list.Items {
		if pod.Namespace == metav1.NamespaceSystem {
			seen[pod.Name] = pod.Status.Conditions
		}
	}
	return seen, nil
}

func readySince(conditions []corev1.PodCondition) (time.Time, bool) {
	for _, condition := range conditions {
		if condition.Type == corev1.PodReady {
			return condition.LastTransitionTime.Time, condition.Status == corev1.ConditionTrue
		}
	}
	return time.Time{}, false
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	podresources "k8s.io/component-helpers/resource"
	scheduling "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// room is a node open to pods.
type room struct {
	node *corev1.Node
	// left is what its pods' requests leave of it.
	left corev1.ResourceList
}

func newRoom(node *corev1.Node) room {
	left := corev1.ResourceList{}
	for name, all := range node.Status.Allocatable {
		left[name] = all.DeepCopy()
	}
	return room{node: node, left: left}
}

// seat takes what a pod asks for from what is left.
func (r room) seat(requests corev1.ResourceList) {
	for name, wanted := range requests {
		left := r.left[name]
		left.Sub(wanted)
		r.left[name] = left
	}
}

func (r room) holds(requests corev1.ResourceList) bool {
	for name, wanted := range requests {
		if left := r.left[name]; left.Cmp(wanted) < 0 {
			return false
		}
	}
	return true
}

// mover is a pod on its way out of its node.
type mover struct {
	pod      *corev1.Pod
	requests corev1.ResourceList
	// volumes say which nodes reach the pod's volumes.
	volumes []*nodeaffinity.NodeSelector
}

func newMover(pod *corev1.Pod, volumes []*nodeaffinity.NodeSelector) mover {
	return mover{pod: pod, requests: requestsOf(pod), volumes: volumes}
}

func (m mover) name() string { return m.pod.Namespace + "/" + m.pod.Name }

// mayRunOn tells whether the scheduler would consider the node for the pod at all. Only the two of
// them count, not what other pods mean for it.
func (m mover) mayRunOn(node *corev1.Node) bool {
	_, untolerated := scheduling.FindMatchingUntoleratedTaint(klog.Background(), node.Spec.Taints, m.pod.Spec.Tolerations, func(taint *corev1.Taint) bool {
		return taint.Effect == corev1.TaintEffectNoSchedule || taint.Effect == corev1.TaintEffectNoExecute
	}, false)
	matches, err := nodeaffinity.GetRequiredNodeAffinity(m.pod).Match(node)
	return !untolerated && err == nil && matches &&
		!slices.ContainsFunc(m.volumes, func(volume *nodeaffinity.NodeSelector) bool { return !volume.Match(node) })
}

// obstacle tells why the movers find no place in the rooms; empty if they do. Each goes to the
// first room with enough left for it, the largest first. The scheduler may do better: then a node
// goes undrained without need.
func obstacle(movers []mover, rooms []room) string {
	if len(rooms) == 0 {
		return "no other node is Ready and schedulable"
	}
	slices.SortFunc(movers, func(a, b mover) int {
		return cmp.Or(b.requests.Memory().Cmp(*a.requests.Memory()), b.requests.Cpu().Cmp(*a.requests.Cpu()), cmp.Compare(a.name(), b.name()))
	})
	for _, m := range movers {
		if metav1.GetControllerOf(m.pod) == nil {
			return fmt.Sprintf("pod %s has no controller that makes it again", m.name())
		}
		allowed := slices.DeleteFunc(slices.Clone(rooms), func(r room) bool { return !m.mayRunOn(r.node) })
		if len(allowed) == 0 {
			return fmt.Sprintf("no other node suits pod %s by its tolerations, node affinity and volumes", m.name())
		}
		there := slices.IndexFunc(allowed, func(r room) bool { return r.holds(m.requests) })
		if there < 0 {
			return fmt.Sprintf("no other node has room for pod %s%s", m.name(), inWords(m.requests))
		}
		allowed[there].seat(m.requests)
	}
	return ""
}

// requestsOf is what a pod takes of its node, its own place among the node's pods included.
func requestsOf(pod *corev1.Pod) corev1.ResourceList {
	requests := podresources.PodRequests(pod, podresources.PodResourcesOptions{})
	requests[corev1.ResourcePods] = *resource.NewQuantity(1, resource.DecimalSI)
	return requests
}

// inWords is empty for a pod with no request but its place.
func inWords(requests corev1.ResourceList) string {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(requests)) {
		if wanted := requests[name]; name != corev1.ResourcePods {
			words = append(words, string(name)+" "+wanted.String())
		}
	}
	if len(words) == 0 {
		return ""
	}
	return ", which asks for " + strings.Join(words, " and ")
}

// volumesOf finds the nodes in reach of the volumes of the pod's claims. In a cluster of several
// accounts a volume is in one of them.
func (d *Drain) volumesOf(ctx context.Context, pod *corev1.Pod) ([]*nodeaffinity.NodeSelector, error) {
	var all []*nodeaffinity.NodeSelector
	for _, volume := range pod.Spec.Volumes {
		if volume.PersistentVolumeClaim == nil {
			continue
		}
		claim, bound := &corev1.PersistentVolumeClaim{}, &corev1.PersistentVolume{}
		err := d.helper.RemoteClient.Get(ctx, client.ObjectKey{Namespace: pod.Namespace, Name: volume.PersistentVolumeClaim.ClaimName}, claim)
		if err == nil && claim.Spec.VolumeName != "" {
			err = d.helper.RemoteClient.Get(ctx, client.ObjectKey{Name: claim.Spec.VolumeName}, bound)
		}
		if client.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("reading the volumes of pod %s/%s: %w", pod.Namespace, pod.Name, err)
		}
		if bound.Spec.NodeAffinity == nil || bound.Spec.NodeAffinity.Required == nil {
			continue
		}
		selector, err := nodeaffinity.NewNodeSelector(bound.Spec.NodeAffinity.Required)
		if err != nil {
			return nil, fmt.Errorf("reading the node affinity of volume %s: %w", bound.Name, err)
		}
		all = append(all, selector)
	}
	return all, nil
}

func isOver(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

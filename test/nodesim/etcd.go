// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package nodesim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	cloudv1 "sigs.k8s.io/cluster-api/test/infrastructure/inmemory/pkg/cloud/api/v1alpha1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

var errNoQuorum = errors.New("etcdserver: request timed out: the cluster has lost its quorum")

// etcdPods are the pods of etcd's members, those removed from it excluded.
func (c *cluster) etcdPods(ctx context.Context) ([]corev1.Pod, error) {
	list := &corev1.PodList{}
	err := c.store.List(ctx, list, client.InNamespace(metav1.NamespaceSystem), client.MatchingLabels{"component": componentEtcd})
	if err != nil {
		return nil, fmt.Errorf("list the etcd members: %w", err)
	}
	return slices.DeleteFunc(list.Items, func(p corev1.Pod) bool { return !isMember(p) }), nil
}

func (c *cluster) hasQuorum() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hasQuorumLocked()
}

func (c *cluster) hasQuorumLocked() bool {
	pods, err := c.etcdPods(context.Background())
	if err != nil {
		return false
	}
	running := 0
	for _, p := range pods {
		if m := c.members[p.Spec.NodeName]; m != nil && m.running {
			running++
		}
	}
	return running > len(pods)/2
}

// annotateEtcd makes the pod a member of the existing etcd cluster, or the first of a new one.
// Cluster API's in-memory etcd keeps its state in these annotations.
func (c *cluster) annotateEtcd(ctx context.Context, pod *corev1.Pod) error {
	pods, err := c.etcdPods(ctx)
	if err != nil {
		return err
	}
	pod.Annotations[cloudv1.EtcdMemberIDAnnotationName] = newID()
	if len(pods) == 0 {
		pod.Annotations[cloudv1.EtcdClusterIDAnnotationName] = newID()
		pod.Annotations[cloudv1.EtcdLeaderFromAnnotationName] = time.Now().Format(time.RFC3339)
		return nil
	}
	if !c.hasQuorumLocked() {
		return errNoQuorum
	}
	pod.Annotations[cloudv1.EtcdClusterIDAnnotationName] = pods[0].Annotations[cloudv1.EtcdClusterIDAnnotationName]
	return nil
}

func newID() string { return strconv.FormatUint(uint64(rand.Uint32())+1, 10) }

// electLocked gives the leadership to a running member when its holder is gone and
// there is a quorum to elect another.
func (c *cluster) electLocked(ctx context.Context) error {
	pods, err := c.etcdPods(ctx)
	if err != nil || len(pods) == 0 || !c.hasQuorumLocked() {
		return err
	}
	var leader, candidate *corev1.Pod
	var since time.Time
	for i := range pods {
		p := &pods[i]
		from, err := time.Parse(time.RFC3339, p.Annotations[cloudv1.EtcdLeaderFromAnnotationName])
		if err == nil && from.After(since) {
			leader, since = p, from
		}
		if m := c.members[p.Spec.NodeName]; m != nil && m.running && candidate == nil {
			candidate = p
		}
	}
	if leader != nil {
		if m := c.members[leader.Spec.NodeName]; m != nil && m.running {
			return nil
		}
	}
	// The newest date leads, and dates have seconds only.
	from := time.Now()
	if !from.Truncate(time.Second).After(since) {
		from = since.Add(time.Second)
	}
	patched := candidate.DeepCopy()
	patched.Annotations[cloudv1.EtcdLeaderFromAnnotationName] = from.Format(time.RFC3339)
	if err := c.store.Patch(ctx, patched, client.MergeFrom(candidate)); err != nil {
		return fmt.Errorf("elect an etcd leader: %w", err)
	}
	return nil
}

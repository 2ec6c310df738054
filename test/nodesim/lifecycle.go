// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package nodesim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// run plays the part of kube-controller-manager, etcd and the tailnet, until ctx ends.
func (c *cluster) run(ctx context.Context) {
	ticker := time.NewTicker(c.timings.Tick)
	defer ticker.Stop()
	defer c.endpoint.close()
	for {
		if err := c.tick(ctx); err != nil && ctx.Err() == nil {
			c.log.Error(err, "Failed to keep up the simulated workload cluster", "endpoint", c.address)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (c *cluster) tick(ctx context.Context) error {
	c.mu.Lock()
	if !c.initialised {
		c.mu.Unlock()
		return nil
	}
	err := errors.Join(c.electLocked(ctx), c.loseNodesLocked(ctx), c.collectPodsLocked(ctx), c.updateNodesLocked(ctx))
	answers, moved := c.routeLocked()
	c.mu.Unlock()

	switch {
	case !answers:
		c.endpoint.close()
	case moved:
		c.endpoint.reset()
		fallthrough
	default:
		err = errors.Join(err, c.endpoint.open(ctx))
	}
	return err
}

// routeLocked decides who holds the endpoint: a control plane keeps it as long as its API server is
// ready and the tailnet routes to it; then it has no holder for the time of a failover, and then
// the oldest other control plane holds it.
func (c *cluster) routeLocked() (answers, moved bool) {
	quorum := c.hasQuorumLocked()
	able := func(m *member) bool {
		return m != nil && quorum && m.running && m.controlPlane && m.reachable != nil && m.reachable()
	}
	if able(c.members[c.holder]) {
		return true, false
	}
	if c.holder != "" {
		c.holder, c.vacant = "", time.Now()
	}
	if time.Since(c.vacant) < c.timings.Failover {
		return false, false
	}
	var next *member
	for _, m := range c.members {
		if able(m) && (next == nil || m.since.Before(next.since)) {
			next = m
		}
	}
	if next == nil {
		return false, false
	}
	c.holder = next.name
	return true, true
}

// loseNodesLocked is the node lifecycle controller: a node without heartbeat is
// declared unreachable after the grace period.
func (c *cluster) loseNodesLocked(ctx context.Context) error {
	var errs []error
	for _, m := range c.members {
		if m.running || m.lost || time.Since(m.since) < c.timings.NodeGrace {
			continue
		}
		m.lost = true
		errs = append(errs, c.reportLocked(ctx, m))
	}
	return errors.Join(errs...)
}

// reportLocked writes a node's state, and its pods', to the API.
func (c *cluster) reportLocked(ctx context.Context, m *member) error {
	node := &corev1.Node{}
	if err := c.store.Get(ctx, client.ObjectKey{Name: m.name}, node); err != nil {
		return client.IgnoreNotFound(err)
	}
	node.Spec.Taints = slices.DeleteFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.Key == corev1.TaintNodeUnreachable })
	ready := corev1.ConditionTrue
	if m.lost {
		ready = corev1.ConditionFalse
		node.Status.Conditions = nodeConditions(corev1.ConditionUnknown, corev1.ConditionUnknown, "NodeStatusUnknown", "Kubelet stopped posting node status.")
		node.Spec.Taints = unreachableTaints(node.Spec.Taints)
	} else {
		node.Status.Conditions = nodeConditions(corev1.ConditionTrue, corev1.ConditionFalse, "KubeletReady", "kubelet is posting ready status")
	}
	if err := c.store.Update(ctx, node); err != nil {
		return fmt.Errorf("update Node %s: %w", m.name, err)
	}
	pods, err := c.podsOn(ctx, m.name)
	if err != nil {
		return err
	}
	for i := range pods {
		for j := range pods[i].Status.Conditions {
			if pods[i].Status.Conditions[j].Type == corev1.PodReady {
				pods[i].Status.Conditions[j].Status = ready
			}
		}
		if err := c.store.Update(ctx, &pods[i]); err != nil {
			return fmt.Errorf("update Pod %s: %w", pods[i].Name, err)
		}
	}
	return nil
}

// collectPodsLocked is the pod garbage collector: pods of a deleted Node go, except an etcd pod
// that is still a member - it carries etcd's member list, and this outlives the Node until the
// member is removed.
func (c *cluster) collectPodsLocked(ctx context.Context) error {
	for name, m := range c.members {
		err := c.store.Get(ctx, client.ObjectKey{Name: name}, &corev1.Node{})
		if err == nil || m.running {
			continue
		}
		if !apierrors.IsNotFound(err) {
			return fmt.Errorf("get Node %s: %w", name, err)
		}
		pods, err := c.podsOn(ctx, name)
		if err != nil {
			return err
		}
		kept := false
		for i := range pods {
			if isMember(pods[i]) {
				kept = true
				continue
			}
			if err := c.store.Delete(ctx, &pods[i]); client.IgnoreNotFound(err) != nil {
				return fmt.Errorf("collect Pod %s: %w", pods[i].Name, err)
			}
		}
		if !kept {
			delete(c.members, name)
			delete(c.etcdServing, name)
		}
	}
	return nil
}

func (c *cluster) podsOn(ctx context.Context, node string) ([]corev1.Pod, error) {
	list := &corev1.PodList{}
	if err := c.store.List(ctx, list, client.InNamespace(metav1.NamespaceSystem)); err != nil {
		return nil, fmt.Errorf("list the pods of Node %s: %w", node, err)
	}
	return slices.DeleteFunc(list.Items, func(p corev1.Pod) bool { return p.Spec.NodeName != node }), nil
}

// empty tells whether no control plane is left to ever run again.
func (c *cluster) empty(exists func(instance string) bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.members {
		if m.controlPlane && exists(m.instance) {
			return false
		}
	}
	return c.initialised
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/report"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/workload"
)

const (
	// drainTimeout bounds a drain unless the Machine says otherwise. A deletion is not bounded by
	// default; an update that worked without a drain must not wait for ever because of one.
	drainTimeout = 10 * time.Minute
	// drainCalls bounds the calls of a pass, of which Cluster API's evictions take 10 seconds at
	// most.
	drainCalls = 20 * time.Second
)

// drained tells whether the machine may be interrupted. Until then it asks for the eviction of the
// pods on its Node, and notes what holds that up. The drain is recorded before the Node is touched.
func (r *Reconciler) drained(ctx context.Context, s *scope) bool {
	drain := &s.own.Status.Drain
	policy, known := drainPolicy(s.machine)
	switch {
	case !known:
		s.Note(infrav1.UpdatedCondition, infrav1.DrainInvalidReason, "Annotation %s of Machine %s is %q: set it to %s or %s, or remove it",
			infrav1.DrainAnnotation, s.machine.Name, policy, infrav1.DrainAlways, infrav1.DrainNever)
		return false
	case !drain.EndedAt.IsZero():
		return true
	case !s.isToBeDrained(policy):
		if !drain.StartedAt.IsZero() {
			s.endDrain("")
		}
		return true
	case drain.StartedAt.IsZero():
		*drain = infrav1.DrainStatus{Node: s.machine.Status.NodeRef.Name, StartedAt: metav1.NewTime(s.now.Truncate(time.Second))}
		s.exclusive = true
		s.updating(time.Second, "Node %s is about to be drained", drain.Node)
		s.Stop()
		return false
	}
	left := r.evict(ctx, s, policy)
	due, bounded := s.drainEnds()
	switch {
	case !drain.EndedAt.IsZero():
	case left == "":
		s.endDrain("")
		r.event(s, "NodeDrained", "Drain", "Drained node %s", drain.Node)
	case bounded && !s.now.Before(due):
		s.endDrain(fmt.Sprintf("Node %s was not drained to the end within its time: %s", drain.Node, left))
		r.event(s, "NodeNotDrained", "Drain", "%s", drain.Message)
	default:
		until := ""
		if bounded {
			until = ", until " + stamp(due) + " at the latest"
		}
		s.updating(s.Intervals.Progress, "Node %s is being drained%s: %s", drain.Node, until, report.Truncate(left, 900))
		return false
	}
	ctrl.LoggerFrom(ctx).Info("The drain of the node is over", "Node", drain.Node, "message", drain.Message)
	return true
}

// drainPolicy is what the Machine says, and whether that is known. Cluster API's own annotation
// against drains counts here as well.
func drainPolicy(machine *clusterv1.Machine) (policy string, known bool) {
	if _, excluded := machine.Annotations[clusterv1.ExcludeNodeDrainingAnnotation]; excluded {
		return infrav1.DrainNever, true
	}
	policy = machine.Annotations[infrav1.DrainAnnotation]
	return policy, policy == "" || policy == infrav1.DrainAlways || policy == infrav1.DrainNever
}

// isToBeDrained leaves out a Machine that is being deleted: Cluster API drains it.
func (s *scope) isToBeDrained(policy string) bool {
	if policy == infrav1.DrainNever || s.machine.Status.NodeRef.Name == "" || !s.machine.DeletionTimestamp.IsZero() {
		return false
	}
	return policy == infrav1.DrainAlways || !s.isControlPlane()
}

// drainEnds is when the drain is given up. As in Cluster API, 0 seconds stand for no end.
func (s *scope) drainEnds() (due time.Time, bounded bool) {
	timeout := drainTimeout
	if seconds := s.machine.Spec.Deletion.NodeDrainTimeoutSeconds; seconds != nil {
		timeout = time.Duration(*seconds) * time.Second
	}
	return s.own.Status.Drain.StartedAt.Add(timeout), timeout > 0
}

func (s *scope) endDrain(why string) {
	s.own.Status.Drain.EndedAt = metav1.NewTime(s.now.Truncate(time.Second))
	s.own.Status.Drain.Message = report.Truncate(why, maxMessage)
}

// evict returns what holds the drain up; empty if that is nothing. It ends the drain if the other
// nodes cannot take the pods, unless the Machine wants it anyway: once the Node is cordoned that is
// decided.
func (r *Reconciler) evict(ctx context.Context, s *scope, policy string) string {
	ctx, cancel := context.WithTimeout(ctx, drainCalls)
	defer cancel()
	node, err := workload.DrainOf(ctx, r.Client, s.cluster, s.machine, s.own.Status.Drain.Node)
	switch {
	case err != nil:
		return "the cluster's API server: " + err.Error()
	case node == nil:
		return ""
	case node.ProviderID() != s.own.Spec.ProviderID:
		return fmt.Sprintf("it is of another machine, %q", node.ProviderID())
	}
	if !node.Begun() && policy != infrav1.DrainAlways {
		why, err := node.Obstacle(ctx)
		if err != nil {
			return "the cluster's API server: " + err.Error()
		}
		if why != "" {
			s.endDrain(fmt.Sprintf("Node %s is not drained, since the other nodes cannot take its pods: %s", s.own.Status.Drain.Node, why))
			r.event(s, "NodeNotDrained", "Drain", "%s", s.own.Status.Drain.Message)
			return ""
		}
	}
	var left string
	if err = node.Cordon(ctx); err == nil {
		left, err = node.Evict(ctx)
	}
	if err != nil {
		return "the cluster's API server: " + err.Error()
	}
	return left
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package updates

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/report"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/workload"
)

const (
	// DrainTimeout bounds a drain unless the Machine says otherwise. A deletion is not bounded by
	// default; an update that worked without a drain must not wait for ever because of one.
	DrainTimeout = 10 * time.Minute
	// drainCalls bounds the calls of a pass, of which Cluster API's evictions take 10 seconds at
	// most.
	drainCalls = 20 * time.Second
)

// Drain takes the pods from a machine's Node before its change in place, where that helps, and lets
// them onto it again afterwards.
type Drain struct {
	// Pass is told what is found out, in the condition Updated.
	Pass *phases.Pass
	// Own has the drain that is under way in its status. Machine is its owner, Cluster theirs.
	Own     *infrav1.OCIMeshMachine
	Machine *clusterv1.Machine
	Cluster *clusterv1.Cluster
	// Client reads the Secret with the cluster's kubeconfig, and MachineDrainRules.
	Client client.Client
	// Recorder records events.
	Recorder events.EventRecorder
	// Now is the time of the pass.
	Now time.Time

	// Decided is set by Over for a decision in status, to be written only over the version it was
	// read from.
	Decided bool
}

// Over tells whether the machine may be interrupted. Until then it asks for the eviction of the
// pods on its Node, and notes what holds that up. The drain is recorded before the Node is touched.
func (d *Drain) Over(ctx context.Context) bool {
	drain := &d.Own.Status.Drain
	policy, known := drainPolicy(d.Machine)
	switch {
	case !known:
		d.Pass.Note(infrav1.UpdatedCondition, infrav1.DrainInvalidReason, "Annotation %s of Machine %s is %q: set it to %s or %s, or remove it",
			infrav1.DrainAnnotation, d.Machine.Name, policy, infrav1.DrainAlways, infrav1.DrainNever)
		return false
	case !drain.EndedAt.IsZero():
		return true
	case !d.Wanted():
		if !drain.StartedAt.IsZero() {
			d.end("")
		}
		return true
	case drain.StartedAt.IsZero():
		*drain = infrav1.DrainStatus{Node: d.Machine.Status.NodeRef.Name, StartedAt: metav1.NewTime(d.Now.Truncate(time.Second))}
		d.Decided = true
		updating(d.Pass, time.Second, "Node %s is about to be drained", drain.Node)
		d.Pass.Stop()
		return false
	}
	left := d.evict(ctx, policy)
	due, bounded := d.due()
	switch {
	case !drain.EndedAt.IsZero():
	case left == "":
		d.end("")
		d.event("NodeDrained", "Drained node "+drain.Node)
	case bounded && !d.Now.Before(due):
		d.end(fmt.Sprintf("Node %s was not fully drained in time: %s", drain.Node, left))
		d.event("NodeNotDrained", drain.Message)
	default:
		until := ""
		if bounded {
			until = ", until " + due.UTC().Format(time.RFC3339) + " at the latest"
		}
		updating(d.Pass, d.Pass.Intervals.Progress, "Node %s is being drained%s: %s", drain.Node, until, report.Truncate(left, 900))
		return false
	}
	ctrl.LoggerFrom(ctx).Info("The drain of the node is over", "Node", klog.KRef("", drain.Node), "message", drain.Message)
	return true
}

// Wanted tells whether the Node is to be drained before the machine is interrupted, if the other
// nodes can take its pods.
func (d *Drain) Wanted() bool {
	policy, known := drainPolicy(d.Machine)
	if policy == infrav1.DrainNever || d.Machine.Status.NodeRef.Name == "" {
		return false
	}
	return !known || policy == infrav1.DrainAlways || !util.IsControlPlaneMachine(d.Machine)
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

// due is when the drain is given up. As in Cluster API, 0 seconds stand for no end.
func (d *Drain) due() (due time.Time, bounded bool) {
	timeout := DrainTimeout
	if seconds := d.Machine.Spec.Deletion.NodeDrainTimeoutSeconds; seconds != nil {
		timeout = time.Duration(*seconds) * time.Second
	}
	return d.Own.Status.Drain.StartedAt.Add(timeout), timeout > 0
}

func (d *Drain) end(why string) {
	d.Own.Status.Drain.EndedAt = metav1.NewTime(d.Now.Truncate(time.Second))
	d.Own.Status.Drain.Message = report.Truncate(why, maxWhy)
}

// maxWhy is the length of status.drain.message.
const maxWhy = 1024

func (d *Drain) event(reason, note string) {
	if d.Recorder != nil {
		d.Recorder.Eventf(d.Own, nil, corev1.EventTypeNormal, reason, "Drain", "%s", note)
	}
}

// node is the machine's Node in a drain; nil if there is none of this machine.
func (d *Drain) node(ctx context.Context, name string) (node *workload.Drain, owner string, err error) {
	node, err = workload.DrainOf(ctx, d.Client, d.Cluster, d.Machine, name)
	if err != nil || node == nil || node.ProviderID() == d.Own.Spec.ProviderID {
		return node, "", err
	}
	return nil, node.ProviderID(), nil
}

// evict returns what holds the drain up; empty if that is nothing. It ends the drain if the other
// nodes cannot take the pods, unless the Machine wants it anyway: once the Node is cordoned that is
// decided.
func (d *Drain) evict(ctx context.Context, policy string) string {
	ctx, cancel := context.WithTimeout(ctx, drainCalls)
	defer cancel()
	node, owner, err := d.node(ctx, d.Own.Status.Drain.Node)
	switch {
	case err != nil:
		return "the cluster's API server: " + err.Error()
	case owner != "":
		return fmt.Sprintf("it is of another machine, %q", owner)
	case node == nil:
		return ""
	}
	if !node.Begun() && policy != infrav1.DrainAlways {
		why, err := node.Obstacle(ctx)
		if err != nil {
			return "the cluster's API server: " + err.Error()
		}
		if why != "" {
			d.end(fmt.Sprintf("Node %s is not drained, since the other nodes cannot take its pods: %s", d.Own.Status.Drain.Node, why))
			d.event("NodeNotDrained", d.Own.Status.Drain.Message)
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

// Undo lets pods onto the Node again, if the drain has kept them from it. Status may be lost
// meanwhile, so without a record the Node is asked if unrecorded says so.
func (d *Drain) Undo(ctx context.Context, unrecorded bool) {
	drain := &d.Own.Status.Drain
	name, recorded := drain.Node, !drain.StartedAt.IsZero()
	if !recorded && unrecorded {
		name = d.Machine.Status.NodeRef.Name
	}
	if name == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, drainCalls)
	defer cancel()
	node, _, err := d.node(ctx, name)
	if err == nil && node != nil {
		err = node.Uncordon(ctx)
	}
	switch {
	case err == nil:
		*drain = infrav1.DrainStatus{}
	case recorded:
		updating(d.Pass, d.Pass.Intervals.Progress, "Waiting for the cluster's API server, to uncordon node %s: %s", name, report.Truncate(err.Error(), 500))
	}
}

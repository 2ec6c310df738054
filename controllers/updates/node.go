// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package updates

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/inplace"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/report"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/workload"
)

// Node is a machine's node. Its agent is to make it what Machine and spec want: other versions, and
// file systems as large as grown volumes.
type Node struct {
	// Pass is told what is found out, in the condition Updated.
	Pass *phases.Pass
	// Own is the object, Machine its owner, Cluster theirs.
	Own     *infrav1.OCIMeshMachine
	Machine *clusterv1.Machine
	Cluster client.ObjectKey
	// Client reads the Secret with the cluster's kubeconfig.
	Client client.Client
	// Recorder records events.
	Recorder events.EventRecorder
	// Drain takes the pods from the node before it gets another kubelet.
	Drain *Drain
	// Now is the time of the pass.
	Now time.Time

	// PutOff is set by Advance if the node lacks what it needs and runs on as it is.
	PutOff bool
	// Updated is set by Advance if the node has the versions that it is to have.
	Updated bool
}

// HasAgent tells whether the node has the agent for versions.
func HasAgent(own *infrav1.OCIMeshMachine) bool {
	_, has := own.Annotations[infrav1.NodeAgentAnnotation]
	return has
}

// OfVersions tells whether the node is to be asked for versions: while Cluster API updates the
// machine in place, and only if somebody is there to be asked.
func OfVersions(own *infrav1.OCIMeshMachine, machine *clusterv1.Machine) bool {
	return isMarked(own) && HasAgent(own) && machine.Spec.Version != ""
}

// wanted are those of Machine and spec. tailscale is left as it is unless the spec names a version
// of its packages.
func (n *Node) wanted() inplace.Versions {
	wanted := inplace.Versions{Kubernetes: n.Machine.Spec.Version}
	if n.Own.Spec.Tailscale.Source.HasVersions() {
		wanted.Tailscale = n.Own.Spec.Tailscale.Version
	}
	return wanted
}

// Advance asks the node's agent for changed versions, by an annotation of the Node, and tells what
// the agent says.
func (n *Node) Advance(ctx context.Context) {
	if leaves(n.Pass, n.Machine) {
		return
	}
	progress := n.Pass.Intervals.Progress
	name := n.Machine.Status.NodeRef.Name
	if name == "" {
		updating(n.Pass, progress, "Waiting for the Machine to have a Node")
		return
	}
	nodes, err := workload.NodesOf(ctx, n.Client, n.Cluster)
	var node *corev1.Node
	if err == nil {
		node, err = nodes.Get(ctx, name)
	}
	asked := n.wanted().String()
	isOwn := err == nil && node.Spec.ProviderID == n.Own.Spec.ProviderID
	switch {
	case isOwn && n.Own.Status.Update.Step.Grows():
		if err = n.fillVolumes(ctx, nodes, node); err == nil {
			return
		}
	case isOwn && !n.isUpToDate(node):
		asked, err = n.askInTurn(ctx, nodes, node)
	}
	switch {
	case err != nil:
		updating(n.Pass, progress, "Waiting for the cluster's API server: %s", report.Truncate(err.Error(), 500))
	case !isOwn:
		updating(n.Pass, progress, "Node %s is of another machine, %q: waiting for the Machine to name its own", name, node.Spec.ProviderID)
	default:
		n.follow(node, asked)
		n.awaitStaticPods(ctx, nodes, node)
		if n.Updated {
			n.Own.Status.KubernetesVersion = n.Machine.Spec.Version
		}
	}
}

// awaitStaticPods holds an update back from its end. kubelet has begun anew, and a control plane
// whose pods are not ready when its turn comes again, as after a change of version in the middle,
// is replaced.
func (n *Node) awaitStaticPods(ctx context.Context, nodes workload.Nodes, node *corev1.Node) {
	pods := workload.StaticPods(n.Machine)
	if !n.Updated || len(pods) == 0 {
		return
	}
	progress := n.Pass.Intervals.Progress
	pod, err := nodes.NotReady(ctx, n.Now, node.Name, pods...)
	n.Updated = err == nil && pod == ""
	switch {
	case err != nil:
		updating(n.Pass, progress, "Waiting for the cluster's API server: %s", report.Truncate(err.Error(), 500))
	case pod != "":
		updating(n.Pass, progress, "Node %s has %s: waiting for pod %s to be ready", node.Name, n.wanted().Words(), pod)
	}
}

// askInTurn asks for the versions, and before another kubelet for its packages and then for the end
// of the drain: a node without pods must not wait for a package in vain. What holds the drain up is
// noted.
func (n *Node) askInTurn(ctx context.Context, nodes workload.Nodes, node *corev1.Node) (asked string, err error) {
	wanted := n.wanted()
	asked = wanted.String()
	if n.replacesKubelet(node) {
		switch {
		case n.Drain.Wanted() && !hasFetched(node, wanted):
			asked = wanted.ToFetch()
		case !n.Drain.Over(ctx):
			return asked, nil
		}
	}
	return asked, n.ask(ctx, nodes, node, asked)
}

// awaitsKubelet tells whether the version changes, and kubelet is not of it yet.
func (n *Node) awaitsKubelet(node *corev1.Node) bool {
	return !HasVersion(n.Own, n.Machine) && !n.wanted().IsKubelet(node.Status.NodeInfo.KubeletVersion)
}

// replacesKubelet tells whether the node is to be asked for another kubelet, and was not yet. An
// agent installs none if it reports this one as installed.
func (n *Node) replacesKubelet(node *corev1.Node) bool {
	wanted := n.wanted()
	return n.awaitsKubelet(node) && node.Annotations[infrav1.WantedVersionsAnnotation] != wanted.String() && !reportOf(node).Has(wanted)
}

func hasFetched(node *corev1.Node, wanted inplace.Versions) bool {
	return reportOf(node) == inplace.Report{Versions: wanted.ToFetch(), State: inplace.Done}
}

func reportOf(node *corev1.Node) inplace.Report {
	return inplace.ReportOf(node.Annotations[infrav1.ReportedVersionsAnnotation])
}

// ask writes what is wanted, unless the Node says so already.
func (n *Node) ask(ctx context.Context, nodes workload.Nodes, node *corev1.Node, asked string) error {
	if node.Annotations[infrav1.WantedVersionsAnnotation] == asked {
		return nil
	}
	if err := nodes.Annotate(ctx, node.Name, infrav1.WantedVersionsAnnotation, asked); err != nil {
		return err
	}
	wanted := n.wanted()
	if n.Recorder != nil && asked == wanted.String() {
		n.Recorder.Eventf(n.Own, nil, corev1.EventTypeNormal, "NodeUpdating", "Update", "Asked node %s for %s", node.Name, wanted.Words())
	}
	ctrl.LoggerFrom(ctx).Info("Asked the node for versions", "Node", klog.KObj(node), "versions", asked)
	return nil
}

// isUpToDate tells whether the node runs what is wanted and its agent is at nothing else. A node
// never asked for anything need not be, for its Kubernetes alone.
func (n *Node) isUpToDate(node *corev1.Node) bool {
	if n.awaitsKubelet(node) {
		return false
	}
	wanted, asked := n.wanted(), node.Annotations[infrav1.WantedVersionsAnnotation]
	if asked == "" && wanted.Tailscale == "" {
		return true
	}
	return (asked == "" || asked == wanted.String()) && reportOf(node).Has(wanted)
}

// follow tells how far the node is with what it was asked for.
func (n *Node) follow(node *corev1.Node, asked string) {
	progress, wanted, said := n.Pass.Intervals.Progress, n.wanted(), reportOf(node)
	switch {
	case n.isUpToDate(node) && workload.IsReady(node):
		n.Updated = true
	case n.isUpToDate(node):
		updating(n.Pass, progress, "Node %s has %s: waiting for it to be Ready", node.Name, wanted.Words())
	case said.Versions != asked || said.State == "":
		updating(n.Pass, progress, "Waiting for node %s to begin with %s", node.Name, wanted.Words())
	case said.State == inplace.Failed:
		n.PutOff = asked != wanted.String()
		n.Pass.Note(infrav1.UpdatedCondition, infrav1.NodeUpdateFailedReason, "Node %s runs on and tries again to get %s: %s",
			node.Name, wanted.Words(), report.Truncate(said.Message, 500))
		n.Pass.Requeue(progress)
	case said.Has(wanted):
		updating(n.Pass, progress, "Waiting for kubelet: node %s has installed %s, and its kubelet is %s. If that lasts for minutes, "+
			"journalctl -u kubelet on the node has the reason; or delete the Machine, and it is replaced",
			node.Name, wanted.Words(), node.Status.NodeInfo.KubeletVersion)
	default:
		updating(n.Pass, progress, "Node %s gets %s: %s", node.Name, wanted.Words(), report.Truncate(said.Message, 500))
	}
}

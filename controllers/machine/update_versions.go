// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/inplace"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/report"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/workload"
)

// hasAgent tells whether the node has the agent that changes versions.
func hasAgent(own *infrav1.OCIMeshMachine) bool {
	_, has := own.Annotations[infrav1.NodeAgentAnnotation]
	return has
}

// decided are annotations of a new machine, for its whole life: its user data depends on them, and
// must be the same each time that it is launched.
func (r *Reconciler) decided() map[string]string {
	if !r.InPlaceUpdates {
		return nil
	}
	return map[string]string{infrav1.NodeAgentAnnotation: ""}
}

// updatesVersions tells whether the node is to be asked for versions: while Cluster API updates the
// machine in place, and only if somebody is there to be asked.
func (s *scope) updatesVersions() bool {
	_, marked := s.own.Annotations[clusterv1.UpdateInProgressAnnotation]
	return marked && hasAgent(s.own) && s.machine.Spec.Version != ""
}

// wantedVersions are those of Machine and spec. tailscale is left as it is unless the spec names a
// version of its packages.
func (s *scope) wantedVersions() inplace.Versions {
	wanted := inplace.Versions{Kubernetes: s.machine.Spec.Version}
	if s.own.Spec.Tailscale.Source.HasVersions() {
		wanted.Tailscale = s.own.Spec.Tailscale.Version
	}
	return wanted
}

// updateVersions asks the node's agent for the versions that changed, by an annotation of the Node,
// and tells what the agent says. OCI's part comes first: its restart would cut the agent's off.
func (r *Reconciler) updateVersions(ctx context.Context, s *scope) error {
	if (!s.updatesVersions() && !s.growsVolumes()) || !s.provisioned() {
		return nil
	}
	if _, waits := s.Noted(infrav1.UpdatedCondition); waits {
		return nil
	}
	name := s.machine.Status.NodeRef.Name
	if name == "" {
		s.updating(s.Intervals.Progress, "Waiting for the Machine to have a Node")
		return nil
	}
	nodes, err := workload.NodesOf(ctx, r.Client, client.ObjectKeyFromObject(s.cluster))
	var node *corev1.Node
	if err == nil {
		node, err = nodes.Get(ctx, name)
	}
	isOwn := err == nil && node.Spec.ProviderID == s.own.Spec.ProviderID
	switch {
	case isOwn && s.growsVolumes():
		if err = r.updateVolumes(ctx, s, nodes, node); err == nil {
			return nil
		}
	case isOwn && !isUpToDate(node, s.wantedVersions()):
		err = r.askNode(ctx, s, nodes, node)
	}
	switch {
	case err != nil:
		s.updating(s.Intervals.Progress, "Waiting for the cluster's API server: %s", report.Truncate(err.Error(), 500))
	case !isOwn:
		s.updating(s.Intervals.Progress, "Node %s is of another machine, %q: waiting for the Machine to name its own", name, node.Spec.ProviderID)
	default:
		s.followNode(node)
	}
	return nil
}

// askNode writes what is wanted, unless the Node says so already.
func (r *Reconciler) askNode(ctx context.Context, s *scope, nodes workload.Nodes, node *corev1.Node) error {
	wanted := s.wantedVersions()
	if node.Annotations[infrav1.WantedVersionsAnnotation] == wanted.String() {
		return nil
	}
	if err := nodes.Annotate(ctx, node.Name, infrav1.WantedVersionsAnnotation, wanted.String()); err != nil {
		return err
	}
	r.event(s, "NodeUpdating", "Update", "Asked node %s for %s", node.Name, wanted.Words())
	ctrl.LoggerFrom(ctx).Info("Asked the node for versions", "Node", node.Name, "versions", wanted.String())
	return nil
}

// isUpToDate tells whether the node runs what is wanted and its agent is at nothing else. A node
// that was never asked for anything need not be, for its Kubernetes alone.
func isUpToDate(node *corev1.Node, wanted inplace.Versions) bool {
	if node.Status.NodeInfo.KubeletVersion != wanted.Kubernetes {
		return false
	}
	asked := node.Annotations[infrav1.WantedVersionsAnnotation]
	if asked == "" && wanted.Tailscale == "" {
		return true
	}
	return (asked == "" || asked == wanted.String()) && inplace.ReportOf(node.Annotations[infrav1.ReportedVersionsAnnotation]).Has(wanted)
}

// followNode tells how far the node is.
func (s *scope) followNode(node *corev1.Node) {
	wanted := s.wantedVersions()
	said := inplace.ReportOf(node.Annotations[infrav1.ReportedVersionsAnnotation])
	switch {
	case isUpToDate(node, wanted) && isNodeReady(node):
		s.versionsUpdated = true
	case isUpToDate(node, wanted):
		s.updating(s.Intervals.Progress, "Node %s has %s: waiting for it to be Ready", node.Name, wanted.Words())
	case said.Versions != wanted.String() || said.State == "":
		s.updating(s.Intervals.Progress, "Waiting for node %s to begin with %s", node.Name, wanted.Words())
	case said.State == inplace.Failed:
		s.Note(infrav1.UpdatedCondition, infrav1.NodeUpdateFailedReason, "Node %s runs on and tries again to get %s: %s",
			node.Name, wanted.Words(), report.Truncate(said.Message, 500))
		s.Requeue(s.Intervals.Progress)
	default:
		s.updating(s.Intervals.Progress, "Node %s gets %s: %s", node.Name, wanted.Words(), report.Truncate(said.Message, 500))
	}
}

func isNodeReady(node *corev1.Node) bool {
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
)

// oneTailnet are the Tailnets of one network with this one, this one included.
func (k comparer) oneTailnet(ctx context.Context, own *infrav1.Tailnet) ([]infrav1.Tailnet, error) {
	all, err := listed(ctx, k.client, &infrav1.TailnetList{}, "Tailnets")
	if err != nil {
		return nil, err
	}
	return ofNetwork(own, all.Items), nil
}

// ofNetwork are those of the Tailnets that are of one network with this one.
func ofNetwork(own *infrav1.Tailnet, all []infrav1.Tailnet) []infrav1.Tailnet {
	return slices.DeleteFunc(slices.Clone(all), func(other infrav1.Tailnet) bool { return !tailnetnode.OneTailnet(own, &other) })
}

// metByClusters tells of another cluster of the tailnet that comes before this one and has
// addresses in common with it, where the tailnet has routes to the pods of one of the two. Clusters
// with VXLAN keep their pods to themselves.
func (k comparer) metByClusters(
	ctx context.Context, reader client.Reader, s *scope, own ranges, tailnets []infrav1.Tailnet,
) (*access.Problem, error) {
	all, err := listed(ctx, reader, &infrav1.OCIMeshClusterList{}, "OCIMeshClusters")
	if err != nil {
		return nil, err
	}
	for i := range all.Items {
		other := &all.Items[i]
		if other.UID == s.infra.UID || !routesPods(s.infra) && !routesPods(other) {
			continue
		}
		if counts, err := k.counts(ctx, other, tailnets); err != nil || !counts {
			if err != nil {
				return nil, err
			}
			continue
		}
		cluster, err := clusterOf(ctx, reader, other)
		if err != nil {
			return nil, err
		}
		theirs := rangesIn(other, cluster)
		a, b, found := clash(own, theirs, routesPods(s.infra), routesPods(other))
		if !found {
			continue
		}
		refused, err := isRefused(ctx, reader, other, theirs, all.Items)
		if err != nil {
			return nil, err
		}
		first, err := comesFirst(ctx, reader, other, cluster, refused, s)
		if err != nil {
			return nil, err
		}
		if first {
			return access.NewProblem(infrav1.PodRangeInUseReason,
				"%s overlaps %s of %s, which was there before, and with podNetwork.mode TailnetRoutes all of the tailnet is led to the pods: "+
					"give this cluster other ranges in the Cluster's clusterNetwork%s", sentence(a.String()), b, called(s.infra, other), orVXLAN(other)), nil
		}
	}
	return nil, nil
}

// orVXLAN is one more way out if the other cluster has no routes to its pods.
func orVXLAN(other *infrav1.OCIMeshCluster) string {
	if routesPods(other) {
		return ""
	}
	return ", or recreate it with podNetwork.mode VXLAN"
}

// called is the other cluster's name for readers of this one's conditions. A Tailnet's status names
// all of its clusters, so that these may know of each other; that there are other Tailnets, and who
// uses them, is nobody else's business.
func called(own, other *infrav1.OCIMeshCluster) string {
	if other.Namespace != own.Namespace && other.Spec.TailnetRef != own.Spec.TailnetRef {
		return "another cluster"
	}
	return fmt.Sprintf("OCIMeshCluster %s/%s", other.Namespace, other.Name)
}

// counts tells whether the other cluster is one to look at: its nodes are, or may come to be, in
// one of the tailnets. Clusters of namespaces that a Tailnet does not allow have no effect on
// others, unless they have machines from when it did.
func (k comparer) counts(ctx context.Context, other *infrav1.OCIMeshCluster, tailnets []infrav1.Tailnet) (bool, error) {
	i := slices.IndexFunc(tailnets, func(tn infrav1.Tailnet) bool { return tn.Name == other.Spec.TailnetRef.Name })
	if i < 0 || isProvisioned(other) {
		return i >= 0, nil
	}
	return k.clients.MayUseTailnet(ctx, &tailnets[i], other.Namespace)
}

// clusterOf is the Cluster that the infrastructure says it is of; nil if there is none, or if it is
// of a namespace that this manager is not for.
func clusterOf(ctx context.Context, reader client.Reader, infra *infrav1.OCIMeshCluster) (*clusterv1.Cluster, error) {
	cluster := &clusterv1.Cluster{}
	err := reader.Get(ctx, client.ObjectKey{Namespace: infra.Namespace, Name: clusterName(infra)}, cluster)
	switch {
	case apierrors.IsNotFound(err), apierrors.IsForbidden(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading Cluster %s/%s: %w", infra.Namespace, clusterName(infra), err)
	}
	return cluster, nil
}

// clash finds ranges of two clusters that must not meet: the pods' of one with routes to them, and
// anything of the other's.
func clash(own, other ranges, ownRouted, otherRouted bool) (a, b namedRange, found bool) {
	if ownRouted {
		a, b, found = meeting(own.pods, other.all())
	}
	if !found && otherRouted {
		a, b, found = meeting(own.all(), other.pods)
	}
	return a, b, found
}

// isRefused tells whether a cluster that is not alive can get no machines as things are, whoever
// was there before: what it and the Tailnets say refuses it, or a cluster that lives does, by what
// that one's nodes hold. One that is being deleted does not count: what it keeps out may come up
// next. The deletion of one that is not takes longer than the pass that has seen it.
func isRefused(
	ctx context.Context, reader client.Reader, infra *infrav1.OCIMeshCluster, own ranges, all []infrav1.OCIMeshCluster,
) (bool, error) {
	if overlapping(own) != nil {
		return true, nil
	}
	tailnets, err := listed(ctx, reader, &infrav1.TailnetList{}, "Tailnets")
	if err != nil {
		return false, err
	}
	i := slices.IndexFunc(tailnets.Items, func(tn infrav1.Tailnet) bool { return tn.Name == infra.Spec.TailnetRef.Name })
	if i < 0 {
		return false, nil
	}
	tn := &tailnets.Items[i]
	network := ofNetwork(tn, tailnets.Items)
	if notAllowed(infra, tn, own, network) != nil || amongVIPs(infra, tn, own, network) != nil ||
		infra.Spec.EndpointType.HasVIP() && overlap(tn, own) != nil {
		return true, nil
	}
	return slices.ContainsFunc(all, func(other infrav1.OCIMeshCluster) bool {
		isNeighbour := other.UID != infra.UID && (routesPods(infra) || routesPods(&other)) &&
			slices.ContainsFunc(network, func(tn infrav1.Tailnet) bool { return tn.Name == other.Spec.TailnetRef.Name })
		if !isNeighbour || !holdsRanges(&other) || !other.DeletionTimestamp.IsZero() {
			return false
		}
		held := rangesIn(&other, nil)
		held.networks = nil
		_, _, found := clash(own, held, routesPods(infra), routesPods(&other))
		return found
	}), nil
}

// moveGrace is for how long a cluster waits for one that looks alive. Machines are found again
// within a few polls.
const moveGrace = 15 * time.Minute

// comesFirst tells whether the other cluster comes before the pass's. Clusters with machines come
// first: they are not to be disturbed. Then the one that is older does. A move and a restore lose
// status and make new times of creation in any order: for a while after them a cluster also waits
// for one that only looks alive, since its machines may be yet to be found. What only looks alive
// gains nothing by it, so that a user can hold up others no longer than that. One that is refused
// anyhow has no say for its age: it would keep others out for good.
func comesFirst(
	ctx context.Context, reader client.Reader, other *infrav1.OCIMeshCluster, cluster *clusterv1.Cluster, refused bool, s *scope,
) (bool, error) {
	list := &infrav1.OCIMeshMachineList{}
	err := reader.List(ctx, list, client.InNamespace(other.Namespace), client.MatchingLabels{clusterv1.ClusterNameLabel: clusterName(other)})
	if err != nil {
		return false, fmt.Errorf("listing OCIMeshMachines: %w", err)
	}
	theirMachines, ourMachines := machinesOf(other, cluster, list.Items), machinesOf(s.infra, s.cluster, s.machines)
	theirs, ours := isAlive(other, theirMachines), isAlive(s.infra, ourMachines)
	switch {
	case theirs != ours:
		return theirs, nil
	case !theirs && !other.DeletionTimestamp.IsZero():
		// It goes, and gets no machines any more.
		return false, nil
	}
	waits := !ours && time.Since(began(s.infra)) < moveGrace
	if waits && looksAlive(other, theirMachines) && !looksAlive(s.infra, ourMachines) {
		return true, nil
	}
	return (theirs || !refused) && before(other, s.infra), nil
}

// machinesOf are the machines of the name in the label, if the Cluster of that name has this
// infrastructure: users write labels. Without a Cluster nothing says so.
func machinesOf(infra *infrav1.OCIMeshCluster, cluster *clusterv1.Cluster, named []infrav1.OCIMeshMachine) []infrav1.OCIMeshMachine {
	if cluster == nil || cluster.Name != clusterName(infra) || cluster.Spec.InfrastructureRef.Name != infra.Name {
		return nil
	}
	return named
}

// isAlive tells what status proves, which users cannot write.
func isAlive(infra *infrav1.OCIMeshCluster, machines []infrav1.OCIMeshMachine) bool {
	return isProvisioned(infra) || slices.ContainsFunc(machines, func(m infrav1.OCIMeshMachine) bool { return m.Status.Tailnet.DeviceID != "" })
}

// looksAlive tells what specs say: an address of ours, or machines with instances.
func looksAlive(infra *infrav1.OCIMeshCluster, machines []infrav1.OCIMeshMachine) bool {
	if infra.Spec.EndpointType.AddressIsOurs() && infra.Spec.ControlPlaneEndpoint.Host != "" {
		return true
	}
	return slices.ContainsFunc(machines, func(m infrav1.OCIMeshMachine) bool { return m.Spec.ProviderID != "" })
}

// began is when the cluster was first looked at here: a move creates it long before it unpauses it.
func began(infra *infrav1.OCIMeshCluster) time.Time {
	if paused := conditions.Get(infra, clusterv1.PausedCondition); paused != nil {
		return paused.LastTransitionTime.Time
	}
	return infra.CreationTimestamp.Time
}

// before tells whether one of two clusters was created before the other. Times of creation have
// whole seconds: within one, a cluster with VXLAN comes first, which does not wait until that
// second is over.
func before(one, other *infrav1.OCIMeshCluster) bool {
	routed := func(infra *infrav1.OCIMeshCluster) int {
		if routesPods(infra) {
			return 1
		}
		return 0
	}
	return cmp.Or(one.CreationTimestamp.Compare(other.CreationTimestamp.Time), cmp.Compare(routed(one), routed(other)),
		cmp.Compare(one.UID, other.UID)) < 0
}

// untilOthersShow is how long it takes until no more clusters can come with the same time of
// creation. The API server's clock may be a little behind.
func untilOthersShow(infra *infrav1.OCIMeshCluster, now time.Time) time.Duration {
	return infra.CreationTimestamp.Add(2 * time.Second).Sub(now)
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"context"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/core/reconcilers/machine/drain"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// kinds are all a drain reads: no cluster has to be asked for its kinds.
var kinds = func() meta.RESTMapper {
	mapper := meta.NewDefaultRESTMapper(nil)
	for kind, scope := range map[string]meta.RESTScope{
		"Node": meta.RESTScopeRoot, "Namespace": meta.RESTScopeRoot, "PersistentVolume": meta.RESTScopeRoot,
		"Pod": meta.RESTScopeNamespace, "PersistentVolumeClaim": meta.RESTScopeNamespace,
	} {
		mapper.Add(corev1.SchemeGroupVersion.WithKind(kind), scope)
	}
	mapper.Add(appsv1.SchemeGroupVersion.WithKind("DaemonSet"), meta.RESTScopeNamespace)
	return mapper
}()

// Drain takes the pods from one Node. Cluster API's own code for deleted machines decides on the
// pods, their order and the way: DaemonSets' and static pods stay, labels and MachineDrainRules
// hold, and evictions heed PodDisruptionBudgets.
type Drain struct {
	cluster *clusterv1.Cluster
	machine *clusterv1.Machine
	helper  *drain.Helper
	node    *corev1.Node
}

// DrainOf connects to the machine's cluster and reads the Node; nil if there is no such Node.
// MachineDrainRules are read from the management cluster.
func DrainOf(ctx context.Context, management client.Client, cluster *clusterv1.Cluster, machine *clusterv1.Machine, node string) (*Drain, error) {
	config, err := configFor(ctx, management, client.ObjectKeyFromObject(cluster))
	if err != nil {
		return nil, ofCluster(err)
	}
	// A node may have more than a hundred pods; by default client-go asks for five things a second.
	config.QPS, config.Burst = 50, 100
	remote, err := client.New(config, client.Options{Scheme: clientgoscheme.Scheme, Mapper: kinds})
	if err != nil {
		return nil, ofCluster(fmt.Errorf("connecting to Cluster %s: %w", cluster.Name, err))
	}
	d := &Drain{
		cluster: cluster, machine: machine, node: &corev1.Node{},
		helper: &drain.Helper{Client: management, RemoteClient: remote, GracePeriodSeconds: -1},
	}
	err = remote.Get(ctx, client.ObjectKey{Name: node}, d.node)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return d, ofCluster(err)
}

// ProviderID names the machine that the Node is of.
func (d *Drain) ProviderID() string { return d.node.Spec.ProviderID }

// Begun tells whether the Node was cordoned for the drain, or was cordoned already.
func (d *Drain) Begun() bool {
	_, begun := d.node.Annotations[infrav1.AfterDrainAnnotation]
	return begun
}

// Cordon keeps further pods from the Node, and records in the same write what is to be done
// afterwards. A Node cordoned by somebody else stays so.
func (d *Drain) Cordon(ctx context.Context) error {
	if d.Begun() && d.node.Spec.Unschedulable {
		return nil
	}
	return d.change(ctx, func(node *corev1.Node) {
		after := infrav1.AfterDrainUncordon
		if node.Spec.Unschedulable {
			after = infrav1.AfterDrainLeave
		}
		metav1.SetMetaDataAnnotation(&node.ObjectMeta, infrav1.AfterDrainAnnotation, after)
		node.Spec.Unschedulable = true
	})
}

// Uncordon lets pods onto the Node again, if Cordon has kept them from it.
func (d *Drain) Uncordon(ctx context.Context) error {
	if !d.Begun() {
		return nil
	}
	return d.change(ctx, func(node *corev1.Node) {
		if node.Annotations[infrav1.AfterDrainAnnotation] == infrav1.AfterDrainUncordon {
			node.Spec.Unschedulable = false
		}
		delete(node.Annotations, infrav1.AfterDrainAnnotation)
	})
}

// change writes only over the Node as it was read: somebody else's cordon in between is not taken
// for ours.
func (d *Drain) change(ctx context.Context, change func(*corev1.Node)) error {
	before := d.node.DeepCopy()
	change(d.node)
	return ofCluster(d.helper.RemoteClient.Patch(ctx, d.node, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})))
}

// Evict asks for the eviction of the pods on their way out, and tells what holds them up; empty
// once none is left.
func (d *Drain) Evict(ctx context.Context) (string, error) {
	pods, err := d.helper.GetPodsForEviction(ctx, d.cluster, d.machine, d.node.Name)
	if err != nil || len(pods.Pods()) == 0 {
		return "", ofCluster(err)
	}
	return inOneLine(d.helper.EvictPods(ctx, pods).ConditionMessage(metav1.Time{})), nil
}

// inOneLine leaves out the first line: it only says the drain is not over.
func inOneLine(message string) string {
	lines := strings.Split(message, "\n")[1:]
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "* ")
	}
	return strings.Join(lines, "; ")
}

// Obstacle tells why the other nodes cannot take the Node's pods; empty if they can.
func (d *Drain) Obstacle(ctx context.Context) (string, error) {
	if !IsReady(d.node) {
		return "it is not Ready, so that nobody would end its pods", nil
	}
	list, err := d.helper.GetPodsForEviction(ctx, d.cluster, d.machine, d.node.Name)
	if err != nil {
		return "", ofCluster(err)
	}
	pods := slices.DeleteFunc(list.Pods(), func(pod *corev1.Pod) bool { return isOver(pod) || !pod.DeletionTimestamp.IsZero() })
	movers := make([]mover, 0, len(pods))
	for _, pod := range pods {
		volumes, err := d.volumesOf(ctx, pod)
		if err != nil {
			return "", ofCluster(err)
		}
		movers = append(movers, newMover(pod, volumes))
	}
	rooms, err := d.rooms(ctx)
	if err != nil {
		return "", ofCluster(err)
	}
	return obstacle(movers, rooms), nil
}

// rooms are the other nodes open to pods, with what is left of each.
func (d *Drain) rooms(ctx context.Context) ([]room, error) {
	nodes := &corev1.NodeList{}
	if err := d.helper.RemoteClient.List(ctx, nodes); err != nil {
		return nil, fmt.Errorf("listing the Nodes: %w", err)
	}
	var rooms []room
	at := map[string]int{}
	for i := range nodes.Items {
		node := &nodes.Items[i]
		if node.Name == d.node.Name || node.Spec.Unschedulable || !IsReady(node) || !node.DeletionTimestamp.IsZero() {
			continue
		}
		at[node.Name] = len(rooms)
		rooms = append(rooms, newRoom(node))
	}
	for next := ""; ; {
		page := &corev1.PodList{}
		if err := d.helper.RemoteClient.List(ctx, page, client.Limit(pageOfPods), client.Continue(next)); err != nil {
			return nil, fmt.Errorf("listing the pods: %w", err)
		}
		for i := range page.Items {
			if there, ok := at[page.Items[i].Spec.NodeName]; ok && !isOver(&page.Items[i]) {
				rooms[there].seat(requestsOf(&page.Items[i]))
			}
		}
		if next = page.Continue; next == "" {
			return rooms, nil
		}
	}
}

// pageOfPods bounds what is held of a large cluster at once.
const pageOfPods = 500

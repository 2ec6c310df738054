// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/annotations"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/identity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
)

// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=ocimeshmachines;ocimeshmachinepools;ocimeshmachinepoolmachines,verbs=get;list;watch
// +kubebuilder:rbac:groups=cluster.x-k8s.io,resources=clusters,verbs=get;list;watch

// Kinds whose objects have devices and keys. Those of pools are names here, since nothing but main
// may import exp.
const (
	machineKind     = "OCIMeshMachine"
	poolKind        = "OCIMeshMachinePool"
	poolMachineKind = "OCIMeshMachinePoolMachine"
)

// pageSize bounds what one answer of the API server takes in memory.
const pageSize = 500

// recordings are the devices that statuses have recorded, by identifier: a coordination server that
// was restored from a backup gives one number to several.
type recordings map[string][]ownership.RecordedDevice

func (r recordings) add(device ownership.RecordedDevice) { r[device.ID] = append(r[device.ID], device) }

func (r recordings) have(device tailnet.Device) bool {
	return slices.ContainsFunc(r[device.ID], func(d ownership.RecordedDevice) bool { return d.Is(device.ID, device.Created) })
}

func (r recordings) haveAll(devices map[string]tailnet.Device) bool {
	for _, device := range devices {
		if !r.have(device) {
			return false
		}
	}
	return true
}

// records are the devices that statuses have recorded, which users cannot write.
type records struct {
	recordings
	// paused names a paused cluster with a machine of which no device is recorded: clusterctl moves
	// no status, and nobody finds it again until the cluster goes on. hostnames are those of all
	// such machines.
	paused    string
	hostnames []string
}

// mayBePaused tells whether a device may be that of a machine whose cluster is paused. Servers make
// a name that is taken another one by a number at its end.
func (a records) mayBePaused(device tailnet.Device) bool {
	return slices.ContainsFunc(a.hostnames, func(hostname string) bool {
		return device.Hostname == hostname || strings.HasPrefix(device.Hostname, hostname+"-")
	})
}

// unrecorded are the hostnames of machines without a recorded device, by cluster.
type unrecorded map[client.ObjectKey][]string

// recordedDevices goes by the cache for machines, and asks the API server for pool machines if
// devices are left: those are behind a feature gate, and there may be no cache of them.
func (r *Reconciler) recordedDevices(ctx context.Context, tn *infrav1.Tailnet, devices map[string]tailnet.Device) (records, error) {
	all := records{recordings: recordings{}}
	if len(devices) == 0 {
		return all, nil
	}
	reader := r.seesAll()
	clusters, err := r.clustersOf(ctx, reader, tn)
	if err != nil {
		return all, err
	}
	machines := &infrav1.OCIMeshMachineList{}
	if err := reader.List(ctx, machines, client.UnsafeDisableDeepCopy); err != nil {
		return all, fmt.Errorf("listing OCIMeshMachines: %w", err)
	}
	without := unrecorded{}
	for i := range machines.Items {
		machine := &machines.Items[i]
		of := clusterOf(machine)
		switch {
		case machine.Status.Tailnet.DeviceID == "":
			without[of] = append(without[of], identity.Hostname(machine.Name, identity.Of(machine)))
		case clusters.mayUse(of):
			all.add(tailnetnode.RecordedIn(machine.Status.Tailnet))
		}
	}
	if all.haveAll(devices) {
		return all, nil
	}
	if err := r.recorded(ctx, poolMachineKind, clusters, all.recordings, without); err != nil {
		return all, err
	}
	err = r.addPaused(ctx, tn, reader, clusters, without, &all)
	return all, err
}

// recordedByServer are those of the devices that a machine has recorded according to the API server
// itself.
func (r *Reconciler) recordedByServer(ctx context.Context, tn *infrav1.Tailnet) (recordings, error) {
	clusters, err := r.clustersOf(ctx, r.Reader, tn)
	if err != nil {
		return nil, err
	}
	found := recordings{}
	return found, r.recorded(ctx, machineKind, clusters, found, unrecorded{})
}

// recorded adds the devices that objects of the kind have recorded, page by page, and the names of
// those that have none: a pool machine's hostname is its name.
func (r *Reconciler) recorded(ctx context.Context, kind string, clusters clusters, to recordings, without unrecorded) error {
	page := ""
	for {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(infrav1.GroupVersion.WithKind(kind + "List"))
		if err := r.Reader.List(ctx, list, client.Limit(pageSize), client.Continue(page)); err != nil {
			return fmt.Errorf("listing %ss: %w", kind, err)
		}
		for i := range list.Items {
			of := clusterOf(&list.Items[i])
			switch device := recordedIn(list.Items[i].Object); {
			case device.ID == "":
				without[of] = append(without[of], list.Items[i].GetName())
			case clusters.mayUse(of):
				to.add(device)
			}
		}
		if page = list.GetContinue(); page == "" {
			return nil
		}
	}
}

// recordedIn is the device in the status of an object of either kind.
func recordedIn(object map[string]any) (device ownership.RecordedDevice) {
	device.ID, _, _ = unstructured.NestedString(object, "status", "tailnet", "deviceID")
	created, _, _ := unstructured.NestedString(object, "status", "tailnet", "deviceCreated")
	device.Created, _ = time.Parse(time.RFC3339, created)
	return device
}

// seesAll reads the objects of all namespaces: from the cache, unless that holds one only.
func (r *Reconciler) seesAll() client.Reader {
	if r.Options.Namespace != "" {
		return r.Reader
	}
	return r.Client
}

func clusterOf(object client.Object) client.ObjectKey {
	return client.ObjectKey{Namespace: object.GetNamespace(), Name: object.GetLabels()[clusterv1.ClusterNameLabel]}
}

// clusters are all by the Cluster's name, and whether they use the control server.
type clusters map[client.ObjectKey]use

type use struct {
	infra *infrav1.OCIMeshCluster
	here  bool
}

// mayUse tells whether a cluster's machines may be in the tailnet. Devices of different servers may
// have the same identifier: Headscale counts. What is not known may.
func (c clusters) mayUse(cluster client.ObjectKey) bool {
	of, known := c[cluster]
	return !known || of.here
}

func (r *Reconciler) clustersOf(ctx context.Context, reader client.Reader, tn *infrav1.Tailnet) (clusters, error) {
	tailnets := &infrav1.TailnetList{}
	if err := r.Client.List(ctx, tailnets); err != nil {
		return nil, fmt.Errorf("listing Tailnets: %w", err)
	}
	elsewhere := map[string]bool{}
	for i := range tailnets.Items {
		elsewhere[tailnets.Items[i].Name] = !tailnetnode.SameServer(&tailnets.Items[i], tn)
	}
	all := &infrav1.OCIMeshClusterList{}
	if err := reader.List(ctx, all); err != nil {
		return nil, fmt.Errorf("listing OCIMeshClusters: %w", err)
	}
	out := clusters{}
	for i := range all.Items {
		infra := &all.Items[i]
		if key := clusterOf(infra); key.Name != "" {
			out[key] = use{infra: infra, here: !elsewhere[infra.Spec.TailnetRef.Name]}
		}
	}
	return out, nil
}

// addPaused adds the machines of the clusters that are here and paused, and names the first of
// these. Those that may not use the tailnet have no say.
func (r *Reconciler) addPaused(
	ctx context.Context, tn *infrav1.Tailnet, reader client.Reader, all clusters, of unrecorded, to *records,
) error {
	byName := func(a, b client.ObjectKey) int { return cmp.Compare(a.String(), b.String()) }
	for _, key := range slices.SortedFunc(maps.Keys(of), byName) {
		cluster, known := all[key]
		if !known || !cluster.here {
			continue
		}
		allowed, err := r.Clients.MayUseTailnet(ctx, tn, key.Namespace)
		if err != nil {
			return err
		}
		if !allowed {
			continue
		}
		paused, err := isPaused(ctx, reader, key, cluster.infra)
		if err != nil {
			return err
		}
		if paused {
			to.paused = cmp.Or(to.paused, key.String())
			to.hostnames = append(to.hostnames, of[key]...)
		}
	}
	return nil
}

func isPaused(ctx context.Context, reader client.Reader, key client.ObjectKey, infra *infrav1.OCIMeshCluster) (bool, error) {
	if annotations.HasPaused(infra) {
		return true, nil
	}
	cluster := &clusterv1.Cluster{}
	if err := reader.Get(ctx, key, cluster); client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("reading Cluster %s: %w", key, err)
	}
	return ptr.Deref(cluster.Spec.Paused, false), nil
}

// keyPrefix begins the description of every key that this provider makes.
const keyPrefix = "capom "

// descriptionsOf are the descriptions that an owner's keys may have. Releases before the digest
// described keys by the identity alone; such a key lives a day at most.
func descriptionsOf(owner ownership.Owner) []string {
	return []string{keyPrefix + owner.Digest(), keyPrefix + owner.Identity(), keyPrefix + "pool " + owner.Identity()}
}

// describedKeys are the descriptions of the keys of all objects there are. If the machines in the
// cache do not explain all keys, the API server is asked.
func (r *Reconciler) describedKeys(ctx context.Context, keys map[string]tailnet.Key) (map[string]bool, error) {
	described := map[string]bool{}
	add := func(owner ownership.Owner) {
		for _, description := range descriptionsOf(owner) {
			described[description] = true
		}
	}
	explained := func() bool {
		for _, key := range keys {
			if !described[key.Description] {
				return false
			}
		}
		return true
	}
	if explained() {
		return described, nil
	}
	machines := &infrav1.OCIMeshMachineList{}
	if err := r.seesAll().List(ctx, machines, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing OCIMeshMachines: %w", err)
	}
	for i := range machines.Items {
		add(identity.OfMachine(&machines.Items[i]))
	}
	for kind, owner := range map[string]func(identity, namespace, name string) ownership.Owner{
		poolKind: ownership.MachinePool, machineKind: ownership.Machine,
	} {
		if explained() {
			break
		}
		objects := &metav1.PartialObjectMetadataList{}
		objects.SetGroupVersionKind(infrav1.GroupVersion.WithKind(kind + "List"))
		if err := r.Reader.List(ctx, objects); err != nil {
			return nil, fmt.Errorf("listing %ss: %w", kind, err)
		}
		for i := range objects.Items {
			object := &objects.Items[i]
			add(owner(identity.Of(object), object.Namespace, object.Name))
		}
	}
	return described, nil
}

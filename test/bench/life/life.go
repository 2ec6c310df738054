// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/fleet"
)

const (
	// manyWorkers are made at once.
	manyWorkers = 10
	// look is how often this program looks whether a phase is done.
	look = 100 * time.Millisecond
	// limit bounds each phase, in case it never ends; settling is a pause between two of them, so
	// that what follows one is not counted in the next.
	limit, settling = 10 * time.Minute, 3 * time.Second
)

// life is the measurement of one endpoint type.
type life struct {
	settings
	*fleet.Fleet
	endpoint infrav1.EndpointType
	delays   sim.Delays
	join     time.Duration

	cluster *clusterv1.Cluster
	infra   *infrav1.OCIMeshCluster
	results []*result
}

func live(ctx context.Context, s settings, endpoint infrav1.EndpointType) (_ []*result, err error) {
	l := &life{settings: s, endpoint: endpoint, join: s.boot / 3, delays: sim.Delays{
		Provision: s.boot / 3, Start: s.boot / 3, Stop: s.boot / 3, Terminate: s.boot / 3,
		Network: s.network, Volume: time.Second, Retention: 10 * time.Minute, ListLag: time.Second,
	}}
	dir := filepath.Join(s.out, string(endpoint))
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	l.Fleet, err = fleet.Start(ctx, fleet.Options{
		Root: s.root, Dir: dir, Accounts: 1, Delays: l.delays, Join: l.join, Tailnet: s.tailnet, Args: s.args,
	})
	if err != nil {
		return nil, err
	}
	defer func() {
		if e := l.Close(); err == nil {
			err = e
		}
	}()
	up := l.delays.Provision + l.delays.Start + l.join
	for _, p := range []struct {
		name  string
		floor time.Duration
		run   func(context.Context) error
	}{
		{"network", l.makingFloor(), l.makeNetwork},
		{"controlPlane", up, func(ctx context.Context) error { return l.makeMachines(ctx, "control-plane", 1, helpers.ControlPlane) }},
		{"worker", up, func(ctx context.Context) error { return l.makeMachines(ctx, "worker", 1) }},
		{"tenWorkers", up, func(ctx context.Context) error { return l.makeMachines(ctx, "more", manyWorkers) }},
		{"workerAway", l.delays.Terminate, func(ctx context.Context) error { return l.deleteMachines(ctx, "worker-0") }},
		{"rest", s.rest, func(ctx context.Context) error { return fleet.Pause(ctx, s.rest) }},
		{"delete", l.deletionFloor(), l.deleteAll},
	} {
		if err := l.measure(ctx, p.name, p.floor, p.run); err != nil {
			return l.results, fmt.Errorf("%s: %w", p.name, err)
		}
		if err := fleet.Pause(ctx, settling); err != nil {
			return l.results, err
		}
	}
	return l.results, nil
}

// makingFloor is how long a network takes at least: of its parts only the subnet and the load
// balancer take time, which is in the subnet.
func (l *life) makingFloor() time.Duration {
	if l.endpoint.HasLoadBalancer() {
		return 2 * l.delays.Network
	}
	return l.delays.Network
}

// deletionFloor is how long a deletion takes at least: first the workers, then the control plane,
// then the network, whose subnet goes before its route table, and this before the VCN. With a load
// balancer, the control plane leaves it before it goes, and it leaves the subnet.
func (l *life) deletionFloor() time.Duration {
	floor := 2*l.delays.Terminate + 3*l.delays.Network
	if l.endpoint.HasLoadBalancer() {
		floor += 2 * l.delays.Network
	}
	return floor
}

// makeNetwork creates the cluster with a template for each role, as a user does.
func (l *life) makeNetwork(ctx context.Context) error {
	l.cluster = helpers.NewCluster(fleet.Namespace, "life")
	if err := l.Client.Create(ctx, l.cluster); err != nil {
		return err
	}
	l.infra = helpers.NewOCIMeshCluster(l.cluster, fleet.TailnetName, l.Accounts, func(infra *infrav1.OCIMeshCluster) {
		infra.Spec.EndpointType = l.endpoint
		if l.endpoint.HasLoadBalancer() {
			infra.Spec.LoadBalancer = infrav1.LoadBalancerSpec{Scope: infrav1.LoadBalancerPublic}
		}
	})
	objects := []client.Object{l.infra}
	spec := helpers.NewOCIMeshMachine(helpers.NewMachine(l.cluster, "any")).Spec
	for _, role := range []string{"control-plane", "worker"} {
		template := &infrav1.OCIMeshMachineTemplate{ObjectMeta: metav1.ObjectMeta{
			Namespace: fleet.Namespace, Name: role, Labels: map[string]string{clusterv1.ClusterNameLabel: l.cluster.Name},
			OwnerReferences: l.infra.OwnerReferences,
		}}
		template.Spec.Template.Spec = spec
		objects = append(objects, template)
	}
	for _, object := range objects {
		if err := l.Client.Create(ctx, object); err != nil {
			return fmt.Errorf("create %T: %w", object, err)
		}
	}
	err := l.Await(ctx, look, func(ctx context.Context) (string, error) { return notReady(ctx, l.Client, l.infra) })
	if err != nil {
		return err
	}
	l.cluster.Status.Initialization.InfrastructureProvisioned = ptr.To(true)
	return l.Client.Status().Update(ctx, l.cluster)
}

// makeMachines creates machines with their owners and bootstrap data, until all are Ready.
func (l *life) makeMachines(ctx context.Context, name string, number int, change ...func(*clusterv1.Machine)) error {
	var made []*infrav1.OCIMeshMachine
	for i := range number {
		machine := helpers.NewMachine(l.cluster, fmt.Sprintf("%s-%d", name, i), change...)
		if len(change) == 0 {
			machine.Labels[clusterv1.MachineDeploymentNameLabel] = "workers"
		}
		if err := l.Client.Create(ctx, helpers.NewBootstrapSecret(machine, helpers.BootstrapData)); err != nil {
			return err
		}
		if err := l.Client.Create(ctx, machine); err != nil {
			return err
		}
		made = append(made, helpers.NewOCIMeshMachine(machine))
	}
	for _, machine := range made {
		if err := l.Client.Create(ctx, machine); err != nil {
			return err
		}
	}
	return l.Await(ctx, look, func(ctx context.Context) (string, error) {
		for _, machine := range made {
			if missing, err := notReady(ctx, l.Client, machine); missing != "" || err != nil {
				return missing, err
			}
		}
		return "", l.JoinFailure()
	})
}

// deleteMachines deletes machines until they are gone.
func (l *life) deleteMachines(ctx context.Context, names ...string) error {
	var gone []client.Object
	for _, name := range names {
		machine := &infrav1.OCIMeshMachine{ObjectMeta: metav1.ObjectMeta{Namespace: fleet.Namespace, Name: name}}
		if err := l.Client.Delete(ctx, machine); err != nil {
			return err
		}
		gone = append(gone, machine)
	}
	return l.awaitGone(ctx, gone...)
}

// deleteAll deletes in the order in which Cluster API does.
func (l *life) deleteAll(ctx context.Context) error {
	var workers []string
	for i := range manyWorkers {
		workers = append(workers, fmt.Sprintf("more-%d", i))
	}
	if err := l.deleteMachines(ctx, workers...); err != nil {
		return err
	}
	if err := l.deleteMachines(ctx, "control-plane-0"); err != nil {
		return err
	}
	if err := l.Client.Delete(ctx, l.infra); err != nil {
		return err
	}
	return l.awaitGone(ctx, l.infra)
}

func (l *life) awaitGone(ctx context.Context, objects ...client.Object) error {
	return l.Await(ctx, look, func(ctx context.Context) (string, error) {
		for _, object := range objects {
			err := l.Client.Get(ctx, client.ObjectKeyFromObject(object), object)
			if !apierrors.IsNotFound(err) {
				return fmt.Sprintf("%T %s to be gone", object, object.GetName()), err
			}
		}
		return "", nil
	})
}

// notReady says what an object lacks; it is empty for one that is Ready.
func notReady[T interface {
	client.Object
	conditions.Getter
}](ctx context.Context, c client.Client, object T) (string, error) {
	if err := c.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
		return "", err
	}
	if ready := conditions.Get(object, infrav1.ReadyCondition); ready == nil || ready.Status != metav1.ConditionTrue {
		return fmt.Sprintf("%T %s to be Ready: %s", object, object.GetName(), conditions.GetMessage(object, infrav1.ReadyCondition)), nil
	}
	return "", nil
}

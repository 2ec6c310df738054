// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package deployment

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/cloudinit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

// pool is a machine pool, with the part of Cluster API's core for its Machines.
type pool struct {
	*life
	machinePool *clusterv1.MachinePool
	own         *expv1.OCIMeshMachinePool
}

func newPool(t *testing.T, l *life, cluster *clusterv1.Cluster, account string) *pool {
	t.Helper()
	const name = "pool"
	labels := map[string]string{clusterv1.ClusterNameLabel: cluster.Name}
	p := &pool{life: l, machinePool: &clusterv1.MachinePool{
		ObjectMeta: metav1.ObjectMeta{Namespace: l.Namespace, Name: name, Labels: labels},
		Spec: clusterv1.MachinePoolSpec{
			ClusterName: cluster.Name, Replicas: ptr.To[int32](1),
			Template: clusterv1.MachineTemplateSpec{Spec: clusterv1.MachineSpec{
				ClusterName: cluster.Name, Version: "v1.36.3", Bootstrap: clusterv1.Bootstrap{DataSecretName: ptr.To("pool-bootstrap")},
				InfrastructureRef: clusterv1.ContractVersionedObjectReference{
					APIGroup: expv1.GroupVersion.Group, Kind: "OCIMeshMachinePool", Name: name,
				},
			}},
		},
	}}
	l.Create(t, p.machinePool, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: l.Namespace, Name: "pool-bootstrap"},
		Data:       map[string][]byte{"value": []byte(helpers.BootstrapData), "format": []byte("cloud-config")},
	})
	p.own = &expv1.OCIMeshMachinePool{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: l.Namespace, Name: name, Labels: labels,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(p.machinePool, clusterv1.GroupVersion.WithKind("MachinePool"))},
		},
		Spec: expv1.OCIMeshMachinePoolSpec{
			Account: account, Shape: infrav1.Shape{Name: "VM.Standard.A1.Flex", OCPUs: 2, MemoryGB: 12},
			Image: infrav1.Image{Platform: infrav1.PlatformImage{OperatingSystem: "Canonical Ubuntu", Version: "24.04"}},
		},
	}
	l.Create(t, p.own)
	return p
}

func (p *pool) scale(t *testing.T, replicas int32) {
	t.Helper()
	helpers.Update(t, p.Environment, p.machinePool, func(pool *clusterv1.MachinePool) { pool.Spec.Replicas = &replicas })
}

// until waits until the pool has as many machines and all is as it should be.
func (p *pool) until(t *testing.T, machines int) {
	t.Helper()
	p.await(t, func(g Gomega) {
		p.Reload(t, p.own)
		g.Expect(conditions.IsTrue(p.own, infrav1.ReadyCondition)).To(BeTrue(), "%v", p.own.Status.Conditions)
		g.Expect(p.own.Status.Replicas).To(HaveValue(BeEquivalentTo(machines)))
		list := &expv1.OCIMeshMachinePoolMachineList{}
		g.Expect(p.Client.List(t.Context(), list, client.InNamespace(p.Namespace))).To(Succeed())
		g.Expect(list.Items).To(HaveLen(machines))
	})
}

// core plays the part of Cluster API's core for MachinePool Machines: it makes a Machine for each
// infrastructure object, and deletes the object before the Machine goes.
func (p *pool) core(ctx context.Context) error {
	objects := &expv1.OCIMeshMachinePoolMachineList{}
	if err := p.Client.List(ctx, objects, client.InNamespace(p.Namespace)); err != nil {
		return err
	}
	for i := range objects.Items {
		object := &objects.Items[i]
		machine := &clusterv1.Machine{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: object.Namespace, Name: object.Name, Labels: object.Labels, Finalizers: []string{clusterv1.MachineFinalizer},
			},
			Spec: clusterv1.MachineSpec{
				ClusterName: p.machinePool.Spec.ClusterName, Bootstrap: clusterv1.Bootstrap{DataSecretName: ptr.To("")},
				InfrastructureRef: clusterv1.ContractVersionedObjectReference{
					APIGroup: expv1.GroupVersion.Group, Kind: "OCIMeshMachinePoolMachine", Name: object.Name,
				},
			},
		}
		if !object.DeletionTimestamp.IsZero() {
			continue
		}
		if err := p.Client.Create(ctx, machine); err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	machines := &clusterv1.MachineList{}
	if err := p.Client.List(ctx, machines, client.InNamespace(p.Namespace)); err != nil {
		return err
	}
	for i := range machines.Items {
		if machine := &machines.Items[i]; !machine.DeletionTimestamp.IsZero() {
			if err := p.letGo(ctx, machine); err != nil {
				return err
			}
		}
	}
	return nil
}

// letGo deletes the infrastructure of a deleted Machine, and then removes the Machine's finalizer.
func (p *pool) letGo(ctx context.Context, machine *clusterv1.Machine) error {
	object := &expv1.OCIMeshMachinePoolMachine{ObjectMeta: metav1.ObjectMeta{Namespace: machine.Namespace, Name: machine.Name}}
	err := p.Client.Delete(ctx, object)
	if apierrors.IsNotFound(err) {
		controllerutil.RemoveFinalizer(machine, clusterv1.MachineFinalizer)
		err = client.IgnoreNotFound(p.Client.Update(ctx, machine))
	}
	return err
}

// joiner boots machines as far as the tailnet, with the key in their user data.
type joiner struct {
	control *tailnetsim.Server

	mu      sync.Mutex
	joined  map[string]string
	failure error
}

func newJoiner() *joiner { return &joiner{joined: map[string]string{}} }

func (j *joiner) problem() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.failure
}

// Boot joins, and advertises the VIP on a control plane of a cluster with one.
func (j *joiner) Boot(ctx context.Context, machine sim.Machine) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, known := j.joined[machine.ID]; known || ctx.Err() != nil {
		return
	}
	parsed, err := cloudinit.Parse(machine.UserData)
	if err != nil {
		j.failure = err
		return
	}
	device, err := j.control.Register(string(parsed.AuthKey), parsed.HostnameOf(machine.ID))
	if err != nil {
		j.failure = fmt.Errorf("joining: %w", err)
		return
	}
	j.joined[machine.ID] = device.ID
	if parsed.VIP && parsed.ControlPlane {
		host := netip.MustParseAddr(parsed.EndpointHost)
		j.failure = j.control.Advertise(device.ID, netip.PrefixFrom(host, host.BitLen()))
	}
}

// Stop takes the device offline.
func (j *joiner) Stop(_ context.Context, machine sim.Machine) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if id, known := j.joined[machine.ID]; known {
		_ = j.control.SetOnline(id, false)
	}
}

// Terminate takes the device offline; it stays in the tailnet until it is deleted.
func (j *joiner) Terminate(ctx context.Context, machine sim.Machine) { j.Stop(ctx, machine) }

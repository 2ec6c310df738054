// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool_test

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/types"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instancecache"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/exp/controllers/poolid"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

func TestReplicasThatSomethingElseManagesAreFollowed(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 1, func(p *clusterv1.MachinePool, _ *expv1.OCIMeshMachinePool) {
		p.Annotations = map[string]string{clusterv1.ReplicasManagedByAnnotation: "oci-autoscaling"}
	})
	b.until(t, func(g Gomega) { g.Expect(b.own.Status.Pool.ID).NotTo(BeEmpty()) })
	c, err := b.Clients.OCI(t.Context(), b.Accounts[0])
	g.Expect(err).NotTo(HaveOccurred())
	three := 3
	_, err = c.UpdateInstancePool(t.Context(), ownership.Recorded(b.own.Status.Pool.ID), oci.PoolChange{Size: &three})
	g.Expect(err).NotTo(HaveOccurred())

	b.untilReady(t, 3)

	b.Reload(t, b.machinePool)
	g.Expect(b.machinePool.Spec.Replicas).To(HaveValue(BeEquivalentTo(3)))
}

// informer is the manager's cache: each list has another order, and it does not show deletions yet.
type informer struct {
	client.Client
	lists int
}

func (i *informer) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	err := i.Client.List(ctx, list, options...)
	if machines, ok := list.(*expv1.OCIMeshMachinePoolMachineList); ok && len(machines.Items) > 0 {
		i.lists++
		at := i.lists % len(machines.Items)
		machines.Items = append(machines.Items[at:], machines.Items[:at]...)
	}
	return err
}

func (i *informer) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	err := i.Client.Get(ctx, key, object, options...)
	if machine, ok := object.(*clusterv1.Machine); ok {
		machine.DeletionTimestamp = nil
	}
	return err
}

func TestTheOldestGoesFirstAndNoOtherInItsPlace(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 3)
	b.untilReady(t, 3)
	oldest := slices.DeleteFunc(b.machines(t), func(m expv1.OCIMeshMachinePoolMachine) bool { return m.Spec.ProviderID != b.own.Spec.ProviderIDList[0] })
	g.Expect(oldest).To(HaveLen(1))
	b.scaleTo(t, 2)
	b.pools.Client = &informer{Client: b.pools.Client}

	for range 4 {
		b.look(t)
		machines := &clusterv1.MachineList{}
		g.Expect(b.Client.List(t.Context(), machines, client.InNamespace(b.Namespace))).To(Succeed())
		for _, machine := range machines.Items {
			g.Expect(!machine.DeletionTimestamp.IsZero()).To(Equal(machine.Name == oldest[0].Name), "Machine %s, and the oldest is %s", machine.Name, oldest[0].Name)
		}
	}
}

func TestInstancesOfAPoolThatIsLargeEnoughAreLookedForAtOnce(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 2)
	b.untilReady(t, 2)
	known := b.listOf(t, b.own.Spec.ProviderIDList)
	cache, seldom := b.pollers.Cache(b.Accounts[0]), instancecache.Pace{Rest: time.Hour, Progress: time.Hour}
	c, err := b.Clients.OCI(t.Context(), b.Accounts[0])
	g.Expect(err).NotTo(HaveOccurred())
	b.scaleTo(t, 3)
	eventually(g, func(g Gomega) {
		b.look(t)
		pool, err := c.GetInstancePool(t.Context(), b.own.Status.Pool.ID)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(pool.Size).To(Equal(3))
		g.Expect(pool.State).To(Equal(oci.StateRunning))
	})
	b.listed(known...)
	g.Expect(cache.Next(seldom)).NotTo(BeZero())
	// The last pass may have come just before OCI was done, or just after.
	g.Expect(b.Client.Status().Patch(t.Context(), b.own, client.RawPatch(types.MergePatchType,
		[]byte(`{"status":{"pool":{"state":"SCALING"}}}`)))).To(Succeed())

	b.look(t)

	g.Expect(cache.Next(seldom)).To(BeZero(), "the next poll is due")
	b.untilReady(t, 3)
	b.look(t)
	g.Expect(cache.Next(seldom)).NotTo(BeZero(), "nothing is missing")
}

// No list shows it as the pool's, and the pool has it.
func TestAnInstanceThatLostItsTagsMakesNoPollDue(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 2)
	b.untilReady(t, 2)
	lost, kept := b.own.Spec.ProviderIDList[0], b.listOf(t, b.own.Spec.ProviderIDList[1:])
	c, err := b.Clients.OCI(t.Context(), b.Accounts[0])
	g.Expect(err).NotTo(HaveOccurred())
	_, err = c.UpdateInstanceTags(t.Context(), ownership.Recorded(cloud.InstanceIDOf(lost)), nil, slices.Collect(maps.Keys(poolid.Owner(b.own).Tags())))
	g.Expect(err).NotTo(HaveOccurred())
	b.until(t, func(g Gomega) { g.Expect(b.own.Status.Replicas).To(HaveValue(BeEquivalentTo(1))) })
	g.Expect(helpers.MessageOf(b.own, expv1.PoolReadyCondition)).To(Equal("The instance pool is RUNNING and has 1 of 2 instances"))
	b.listed(kept...)

	for range 2 {
		b.look(t)
		g.Expect(b.pollers.Cache(b.Accounts[0]).Next(instancecache.Pace{Rest: time.Hour, Progress: time.Hour})).NotTo(BeZero())
	}
}

// OCI may refuse a change of a pool that is SCALING, and take the next one a moment later.
func TestAPoolIsNotGrownFromAnOlderConfiguration(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*testing.T, *bench){
		"that it has": func(*testing.T, *bench) {},
		"that waits": func(t *testing.T, b *bench) {
			NewWithT(t).Expect(b.pass(t.Context())).To(Succeed())
			b.changeBootstrap(t, "c")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, 1)
			b.untilReady(t, 1)
			g.Expect(b.OCI.SetCapacity(b.Tenancies[0].Name, sim.CapacityKey{Shape: "VM.Standard.A1.Flex"}, 1)).To(Succeed())
			b.scaleTo(t, 2)
			b.until(t, func(g Gomega) {
				g.Expect(helpers.ConditionsOf(b.own)).To(ContainElement("PoolReady False NoCapacity"))
			})
			first := b.own.Status.Configuration.ID
			b.OCI.AddFault(sim.Fault{Operation: "UpdateInstancePool", Status: 409, Code: "IncorrectState", Times: 1})
			b.changeBootstrap(t, "b")
			change(t, b)
			b.wants(t, 1)
			b.scaleTo(t, 3)

			b.look(t)

			g.Expect(b.own.Status.Configuration.ID).NotTo(Equal(first))
			g.Expect(b.own.Status.Pool.Size).To(HaveValue(BeEquivalentTo(2)))
			g.Expect(b.own.Status.Granted.Shape.OCPUs).To(BeEquivalentTo(2), "OCI has been told of no smaller shape")
			b.until(t, func(g Gomega) {
				g.Expect(b.own.Status.Pool.Size).To(HaveValue(BeEquivalentTo(3)))
				g.Expect(b.own.Status.Granted.Shape.OCPUs).To(BeEquivalentTo(1))
			})
			g.Expect(b.OCI.SetCapacity(b.Tenancies[0].Name, sim.CapacityKey{Shape: "VM.Standard.A1.Flex"}, -1)).To(Succeed())
			b.untilReady(t, 3)
			g.Expect(b.ocpus(t)).To(ConsistOf(2.0, 1.0, 1.0))
		})
	}
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool_test

import (
	"context"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

func TestAPoolIsHandedOverOnceItsFirstInstanceHasJoinedAndNeverTakenBack(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 1)
	g.Expect(b.OCI.SetCapacity(b.Tenancies[0].Name, sim.CapacityKey{}, 0)).To(Succeed())
	b.untilConditions(t, "Ready False NoCapacity", "ConfigurationReady True Ready", "PoolReady False NoCapacity",
		"InstancesReady True Ready", "TailnetReady True Ready")
	g.Expect(helpers.MessageOf(b.own, expv1.PoolReadyCondition)).To(ContainSubstring("0 of 1 instances"))
	g.Expect(b.own.Status.Ready).To(BeNil(), "nobody has joined")
	g.Expect(b.own.Status.Initialization.Provisioned).To(BeNil())

	g.Expect(b.OCI.SetCapacity(b.Tenancies[0].Name, sim.CapacityKey{}, -1)).To(Succeed())
	b.untilReady(t, 1)
	// The machine's address may come after all else.
	b.until(t, func(g Gomega) { g.Expect(b.own.Status.Ready).To(HaveValue(BeTrue())) })
	g.Expect(b.own.Status.Initialization.Provisioned).To(HaveValue(BeTrue()))

	machine := b.machines(t)[0]
	g.Expect(b.OCI.StopInstance(strings.TrimPrefix(machine.Spec.ProviderID, "oci://"))).To(Succeed())
	b.untilConditions(t, "Ready False InstancesJoining", "ConfigurationReady True Ready", "PoolReady True Ready",
		"InstancesReady False InstancesJoining", "TailnetReady True Ready")
	g.Expect(helpers.MessageOf(b.own, expv1.InstancesReadyCondition)).To(And(
		HavePrefix("1 of 1 instances are not ready; "+machine.Name), ContainSubstring("start it, or delete the Machine")))
	g.Expect(b.own.Status.Ready).To(HaveValue(BeTrue()))
	g.Expect(b.own.Status.Initialization.Provisioned).To(HaveValue(BeTrue()))
}

// writes calls after each write to a status.
type writes struct {
	client.Client
	after func()
}

func (w writes) Status() client.SubResourceWriter { return statusWrites{w.Client.Status(), w.after} }

type statusWrites struct {
	client.SubResourceWriter
	after func()
}

func (w statusWrites) Patch(ctx context.Context, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
	defer w.after()
	return w.SubResourceWriter.Patch(ctx, object, patch, options...)
}

func TestNobodySeesAPoolReadyThatIsNotHandedOver(t *testing.T) {
	t.Parallel()
	for name, replicas := range map[string]int32{"with an instance": 1, "of size 0": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, replicas)
			b.pools.Client = writes{b.pools.Client, func() {
				seen := b.own.DeepCopy()
				g.Expect(b.Client.Get(t.Context(), client.ObjectKeyFromObject(seen), seen)).To(Succeed())
				if conditions.IsTrue(seen, infrav1.ReadyCondition) {
					g.Expect(seen.Status.Ready).To(HaveValue(BeTrue()), "Cluster API would wait for a Ready pool")
				}
			}}
			b.untilReady(t, int(replicas))
		})
	}
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/updates"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

// stopWorld is an update in place that has come to a moment, and what lets it end. after is how
// long a restart of the provider's own may explain the stop at that moment.
type stopWorld struct {
	until   func(*testing.T, *bench) (*infrav1.OCIMeshMachine, *corev1.Node)
	after   time.Duration
	finish  func(*testing.T, *bench, *corev1.Node)
	settles bool
}

func asItIs(*clusterv1.Machine, *infrav1.OCIMeshMachine) {}

func nothing(*testing.T, *bench, *corev1.Node) {}

func fills(t *testing.T, b *bench, node *corev1.Node) {
	t.Helper()
	b.nodeFills(t, node, "/=50 /var/lib/etcd=60 /logs=50")
}

func refusesNoMore(_ *testing.T, b *bench, _ *corev1.Node) {
	b.OCI.ClearFaults()
	b.sleep(updates.FirstRetry)
}

// withFault is a control plane that is to become larger, which OCI does not do.
func withFault(t *testing.T, b *bench, fault sim.Fault, want string) (*infrav1.OCIMeshMachine, *corev1.Node) {
	t.Helper()
	fault.Operation, fault.Times = "UpdateInstance", -1
	own, node := b.joined(t, asItIs)
	b.OCI.AddFault(fault)
	b.updates(t, own, larger)
	b.untilCondition(t, own, want)
	return own, node
}

var stopWorlds = map[string]stopWorld{
	"while the node's agent works": {
		until: func(t *testing.T, b *bench) (*infrav1.OCIMeshMachine, *corev1.Node) {
			t.Helper()
			own, node := b.joined(t, packages)
			b.upgrades(t, own, "v1.36.4", unchanged)
			b.nodeSays(t, node, "v1.36.4 1.102.3 working running kubeadm upgrade node")
			b.untilTold(t, own, "Updated False Updating", "running kubeadm")
			return own, node
		},
		finish: func(t *testing.T, b *bench, node *corev1.Node) {
			t.Helper()
			b.nodeRuns(t, node, "v1.36.4", corev1.ConditionTrue)
			b.nodeSays(t, node, "v1.36.4 1.102.3 done")
		},
		settles: true,
	},
	"while the node fills its volumes": {
		until: func(t *testing.T, b *bench) (*infrav1.OCIMeshMachine, *corev1.Node) {
			t.Helper()
			own, node := b.joined(t, withData)
			b.updates(t, own, data(60))
			b.untilTold(t, own, "Updated False Updating", " to fill ")
			return own, node
		},
		finish: fills,
	},
	"while its node is drained": {
		until: func(t *testing.T, b *bench) (*infrav1.OCIMeshMachine, *corev1.Node) {
			t.Helper()
			own, node, _ := b.shop(t)
			b.budget(t)
			b.updates(t, own, larger)
			b.untilTold(t, own, "Updated False Updating", "is being drained")
			return own, node
		},
		finish:  func(_ *testing.T, b *bench, _ *corev1.Node) { b.sleep(updates.DrainTimeout) },
		settles: true,
	},
	"while OCI refuses the change": {
		until: func(t *testing.T, b *bench) (*infrav1.OCIMeshMachine, *corev1.Node) {
			t.Helper()
			return withFault(t, b, sim.Fault{Status: 500, Code: "InternalError", Message: "Out of host capacity."}, "Updated False OutOfCapacity")
		},
		finish: refusesNoMore,
	},
	"while nobody knows whether OCI was asked": {
		until: func(t *testing.T, b *bench) (*infrav1.OCIMeshMachine, *corev1.Node) {
			t.Helper()
			return withFault(t, b, sim.Fault{Status: 503, Code: "ServiceUnavailable"}, "Updated False Unavailable")
		},
		after: settling, finish: refusesNoMore, settles: true,
	},
	"while the node settles": {
		until: func(t *testing.T, b *bench) (*infrav1.OCIMeshMachine, *corev1.Node) {
			t.Helper()
			own, node := b.joined(t, asItIs)
			b.updates(t, own, larger)
			b.untilTold(t, own, "Updated False Updating", "Waiting for the node to settle")
			return own, node
		},
		after: settling, finish: nothing, settles: true,
	},
}

func (b *bench) stop(t *testing.T, own *infrav1.OCIMeshMachine) {
	t.Helper()
	g := NewWithT(t)
	g.Expect(b.OCI.StopInstance(own.Status.Instance.ID)).To(Succeed())
	eventually(g, func(g Gomega) {
		g.Expect(b.OCI.InstanceState(own.Status.Instance.ID)).To(Equal(string(oci.StateStopped)))
	})
}

func TestAStartDuringAnUpdateComesOfThePolicyAndTheNodeSettlesAfterIt(t *testing.T) {
	t.Parallel()
	for name, world := range stopWorlds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{})
			own, node := world.until(t, b)
			b.stop(t, own)
			if world.after > 0 {
				b.until(t, own, func(g Gomega) { g.Expect(own.Status.Instance.State).To(Equal(string(oci.StateStopped))) })
				b.settle(t, own, 2)
				g.Expect(own.Status.Stop).To(BeZero(), "it may be a restart of the provider's own")
				b.sleep(world.after)
			}

			b.until(t, own, func(g Gomega) {
				g.Expect(own.Status.Stop.Starts).To(BeEquivalentTo(1), "conditions: %v", own.Status.Conditions)
			})
			g.Expect(helpers.ConditionsOf(own)).To(ContainElements(HavePrefix("InstanceReady False "), HavePrefix("Updated False ")))
			world.finish(t, b, node)
			if world.settles {
				b.untilTold(t, own, "Updated False Updating", "Waiting for the node to settle after its restart")
			}
			b.untilUpdated(t, own)

			g.Expect(b.calls("InstanceAction")).To(Equal(1))
			seen := b.instance(t, own.Status.Instance.ID)
			g.Expect(seen.MemoryGB).To(BeEquivalentTo(own.Spec.Shapes[0].MemoryGB))
			g.Expect(helpers.ConditionsOf(own)).To(ContainElement("InstanceReady True Ready"))
		})
	}
}

func TestAnInstanceThatSomebodyStopsDuringItsUpdateIsLeftIfThePolicySaysSo(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	world := stopWorlds["while the node's agent works"]
	own, node := world.until(t, b)
	b.updates(t, own, func(s *infrav1.OCIMeshMachineSpec) { s.OnStop = infrav1.StopLeave })
	b.stop(t, own)

	b.until(t, own, func(g Gomega) {
		g.Expect(helpers.MessageOf(own, infrav1.InstanceReadyCondition)).To(ContainSubstring("onStop is Leave, so start it"))
	})
	g.Expect(helpers.MessageOf(own, infrav1.UpdatedCondition)).To(ContainSubstring("Waiting for the instance, which is STOPPED"))
	b.sleep(time.Hour)
	b.settle(t, own, 3)
	g.Expect(b.calls("InstanceAction")).To(BeZero())

	b.updates(t, own, func(s *infrav1.OCIMeshMachineSpec) { s.OnStop = infrav1.StopStart })
	world.finish(t, b, node)
	b.untilUpdated(t, own)
	g.Expect(b.calls("InstanceAction")).To(Equal(1))
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/updates"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

func TestANodeThatSomebodyElseHasCordonedStaysCordoned(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own, node, pod := b.shop(t)
	helpers.Update(t, b.Environment, node, func(node *corev1.Node) { node.Spec.Unschedulable = true })

	b.updates(t, own, larger)
	b.untilUpdated(t, own)

	g.Expect(b.isCordoned(t, node)).To(BeTrue())
	g.Expect(node.Annotations).NotTo(HaveKey(infrav1.AfterDrainAnnotation))
	g.Expect(b.runs(t, pod)).To(BeFalse())
}

func TestANodeTakesPodsAgainWhileOCIRefusesItsChange(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own, node, first := b.shop(t)
	b.OCI.AddFault(sim.Fault{Operation: "UpdateInstance", Status: 500, Code: "InternalError", Message: "Out of host capacity.", Times: -1})

	b.updates(t, own, larger)
	b.untilCondition(t, own, "Updated False OutOfCapacity")
	b.until(t, own, func(g Gomega) { g.Expect(own.Status.Drain).To(BeZero()) })
	g.Expect(b.runs(t, first)).To(BeFalse())
	g.Expect(b.isCordoned(t, node)).To(BeFalse())
	g.Expect(helpers.ConditionsOf(own)).To(ContainElement("Updated False OutOfCapacity"))

	second := b.pod(t, node, "shop-again")
	b.OCI.ClearFaults()
	b.sleep(updates.FirstRetry)
	b.untilRestarted(t, own)
	g.Expect(b.runs(t, second)).To(BeFalse())
	g.Expect(b.isCordoned(t, node)).To(BeTrue())
	b.untilUpdated(t, own)
	g.Expect(b.isCordoned(t, node)).To(BeFalse())
}

func TestAWorkerIsDrainedForAnotherKubeletAndNotForTailscale(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own, node := b.worker(t, "4", packages)
	pod := b.pod(t, node, "shop")

	b.upgrades(t, own, "v1.36.3", func(s *infrav1.OCIMeshMachineSpec) { s.Tailscale.Version = "1.104.0" })
	b.untilTold(t, own, "Updated False Updating", "to begin with Kubernetes v1.36.3 and tailscale 1.104.0")
	g.Expect(b.isCordoned(t, node)).To(BeFalse())
	b.nodeSays(t, node, "v1.36.3 1.104.0 done")
	b.untilUpdated(t, own)
	g.Expect(b.runs(t, pod)).To(BeTrue())

	budget := b.budget(t)
	b.upgrades(t, own, "v1.36.4", unchanged)
	b.untilTold(t, own, "Updated False Updating", "to begin with Kubernetes v1.36.4 and tailscale 1.104.0")
	b.nodeSays(t, node, "v1.36.4 1.104.0 fetch done")
	b.untilTold(t, own, "Updated False Updating", "The disruption budget shop-stays needs 1 healthy pods")
	g.Expect(b.isCordoned(t, node)).To(BeTrue())
	g.Expect(node.Annotations).To(HaveKeyWithValue(infrav1.WantedVersionsAnnotation, "v1.36.4 1.104.0 fetch"))

	g.Expect(b.Client.Delete(t.Context(), budget)).To(Succeed())
	b.untilTold(t, own, "Updated False Updating", "to begin with Kubernetes v1.36.4 and tailscale 1.104.0")
	g.Expect(b.runs(t, pod)).To(BeFalse())
	b.nodeSays(t, node, "v1.36.4 1.104.0 failed not there")
	b.untilTold(t, own, "Updated False NodeUpdateFailed", "not there")
	g.Expect(b.isCordoned(t, node)).To(BeTrue(), "the version may come at any time")

	b.nodeRuns(t, node, "v1.36.4", corev1.ConditionTrue)
	b.nodeSays(t, node, "v1.36.4 1.104.0 done")
	b.untilUpdated(t, own)
	g.Expect(b.isCordoned(t, node)).To(BeFalse())
	b.done(t, own)
}

func TestAWorkerIsNotDrainedForAVersionThatItsNodeCannotGet(t *testing.T) {
	t.Parallel()
	const unavailable = "Kubernetes 1.36.4 cannot be installed from https://mirror.example/"
	for name, world := range map[string]struct {
		change func(*infrav1.OCIMeshMachineSpec)
		stays  bool
	}{
		"for the version alone":        {unchanged, true},
		"after it was so for its size": {larger, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{})
			own, node, pod := b.shop(t)
			b.upgrades(t, own, "v1.36.4", world.change)
			b.nodeSays(t, node, "v1.36.4 - fetch failed "+unavailable)

			b.until(t, own, func(g Gomega) {
				if !own.Status.Update.NotBefore.IsZero() {
					b.sleep(settling)
				}
				g.Expect(helpers.MessageOf(own, infrav1.UpdatedCondition)).To(ContainSubstring(unavailable))
			})
			g.Expect(helpers.ConditionsOf(own)).To(ContainElement("Updated False NodeUpdateFailed"))
			b.settle(t, own, 3)
			g.Expect(b.isCordoned(t, node)).To(BeFalse(), "it takes pods until the version is there")
			g.Expect(b.runs(t, pod)).To(Equal(world.stays))
			g.Expect(own.Status.Drain).To(BeZero())
			again := b.pod(t, node, "shop-again")

			b.nodeSays(t, node, "v1.36.4 - fetch done")
			b.until(t, own, func(g Gomega) {
				b.Reload(t, node)
				g.Expect(node.Annotations).To(HaveKeyWithValue(infrav1.WantedVersionsAnnotation, "v1.36.4 -"))
			})
			g.Expect(b.isCordoned(t, node)).To(BeTrue())
			g.Expect(b.runs(t, again)).To(BeFalse())
			b.nodeRuns(t, node, "v1.36.4", corev1.ConditionTrue)
			b.nodeSays(t, node, "v1.36.4 - done")
			b.untilUpdated(t, own)
			g.Expect(b.isCordoned(t, node)).To(BeFalse())
		})
	}
}

func TestADrainEndsWithTheUpdateThatItIsFor(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own, node, pod := b.shop(t)
	b.budget(t)
	b.upgrades(t, own, "v1.36.4", unchanged)
	b.untilTold(t, own, "Updated False Updating", "to begin with Kubernetes v1.36.4")
	b.nodeSays(t, node, "v1.36.4 - fetch done")
	b.untilTold(t, own, "Updated False Updating", "is being drained")
	g.Expect(b.isCordoned(t, node)).To(BeTrue())

	b.done(t, own)

	g.Expect(b.isCordoned(t, node)).To(BeFalse())
	g.Expect(node.Annotations).To(HaveKeyWithValue(infrav1.WantedVersionsAnnotation, "v1.36.4 - fetch"))
	g.Expect(own.Status.Drain).To(BeZero())
	g.Expect(b.runs(t, pod)).To(BeTrue())
}

// restartedWithoutAgent is a drained worker in its restart. Without the agent nobody asks the
// cluster's API server for the node's versions.
func (b *bench) restartedWithoutAgent(t *testing.T) (*infrav1.OCIMeshMachine, *corev1.Node) {
	t.Helper()
	own, node := b.worker(t, "4")
	helpers.Update(t, b.Environment, own, func(own *infrav1.OCIMeshMachine) { delete(own.Annotations, infrav1.NodeAgentAnnotation) })
	b.updates(t, own, larger)
	b.untilRestarted(t, own)
	return own, node
}

func TestAMachineIsNotUpdatedBeforeItsNodeIsUncordoned(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own, node := b.restartedWithoutAgent(t)
	g.Expect(b.Client.Delete(t.Context(), b.kubeconfig(t))).To(Succeed())

	b.until(t, own, func(g Gomega) {
		if !own.Status.Update.NotBefore.IsZero() {
			b.sleep(settling)
		}
		g.Expect(helpers.MessageOf(own, infrav1.UpdatedCondition)).To(ContainSubstring("to uncordon node " + node.Name))
	})
	g.Expect(helpers.ConditionsOf(own)).To(ContainElement("Updated False Updating"))
	g.Expect(b.isCordoned(t, node)).To(BeTrue())

	b.Create(t, b.kubeconfig(t))
	b.untilUpdated(t, own)
	g.Expect(b.isCordoned(t, node)).To(BeFalse())
}

func TestANodeThatIsGoneOrAnothersIsNotUncordoned(t *testing.T) {
	t.Parallel()
	for name, world := range map[string]struct {
		spoil func(*testing.T, *bench, *corev1.Node)
		left  bool
	}{
		"gone": {func(t *testing.T, b *bench, node *corev1.Node) {
			t.Helper()
			NewWithT(t).Expect(b.Client.Delete(t.Context(), node)).To(Succeed())
		}, false},
		"another's": {func(t *testing.T, b *bench, node *corev1.Node) {
			t.Helper()
			NewWithT(t).Expect(b.Client.Delete(t.Context(), node)).To(Succeed())
			again := &corev1.Node{ObjectMeta: *node.ObjectMeta.DeepCopy(), Spec: *node.Spec.DeepCopy()}
			again.UID, again.ResourceVersion, again.Spec.ProviderID = "", "", "oci://ocid1.instance.oc1..other"
			b.Create(t, again)
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{})
			own, node := b.restartedWithoutAgent(t)
			b.Reload(t, node)
			world.spoil(t, b, node)

			b.untilUpdated(t, own)

			err := b.Client.Get(t.Context(), client.ObjectKeyFromObject(node), node)
			g.Expect(client.IgnoreNotFound(err)).To(Succeed())
			if world.left {
				g.Expect(node.Spec.Unschedulable).To(BeTrue())
			}
		})
	}
}

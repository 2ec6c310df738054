// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/updates"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

func larger(s *infrav1.OCIMeshMachineSpec) { s.Shapes[0].MemoryGB = 12 }

// untilRestarted waits until OCI has been asked for the restart.
func (b *bench) untilRestarted(t *testing.T, own *infrav1.OCIMeshMachine) {
	t.Helper()
	b.until(t, own, func(g Gomega) {
		g.Expect(own.Status.Update.WorkRequestID).NotTo(BeEmpty(), "conditions: %v", own.Status.Conditions)
	})
}

func annotated(key, value string) func(*clusterv1.Machine, *infrav1.OCIMeshMachine) {
	return func(machine *clusterv1.Machine, _ *infrav1.OCIMeshMachine) {
		metav1.SetMetaDataAnnotation(&machine.ObjectMeta, key, value)
	}
}

func unmanaged(pod *corev1.Pod) { pod.OwnerReferences = nil }

type drainWorld struct {
	change     func(*clusterv1.Machine, *infrav1.OCIMeshMachine)
	pod        func(*corev1.Pod)
	othersCPU  string
	beforehand func(*testing.T, *bench)
	// cordoned and evicted are expected when the instance is restarted; told is then the end of the
	// condition's message.
	cordoned, evicted bool
	told              string
}

var drainWorlds = map[string]drainWorld{
	"a worker, and others can take its pods": {cordoned: true, evicted: true},
	"a worker, and nobody has room": {
		othersCPU: "100m", told: "cannot take its pods: no other node has room for pod",
	},
	"a worker with a pod that nobody makes again": {pod: unmanaged, told: "has no controller that makes it again"},
	"a worker with a pod that is kept to it": {
		pod: func(pod *corev1.Pod) {
			pod.Spec.NodeSelector = map[string]string{testLabel: pod.Namespace, corev1.LabelHostname: pod.Namespace + "-machine"}
		},
		told: "no other node suits pod",
	},
	"a worker with a volume that is kept to it": {
		beforehand: aVolume,
		pod: func(pod *corev1.Pod) {
			pod.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"},
			}}}
		},
		told: "no other node suits pod",
	},
	"never":                       {change: annotated(infrav1.DrainAnnotation, infrav1.DrainNever)},
	"excluded as for Cluster API": {change: annotated(clusterv1.ExcludeNodeDrainingAnnotation, "")},
	"always, and nobody has room": {
		change: annotated(infrav1.DrainAnnotation, infrav1.DrainAlways), othersCPU: "100m", cordoned: true, evicted: true,
	},
	"always, with a pod that nobody makes again": {
		change: annotated(infrav1.DrainAnnotation, infrav1.DrainAlways), pod: unmanaged, cordoned: true, evicted: true,
	},
	"a control plane": {change: controlPlane},
	"a control plane, always": {
		change: func(machine *clusterv1.Machine, own *infrav1.OCIMeshMachine) {
			controlPlane(machine, own)
			annotated(infrav1.DrainAnnotation, infrav1.DrainAlways)(machine, own)
		},
		cordoned: true, evicted: true,
	},
	"a worker with a DaemonSet's pod": {
		beforehand: aDaemonSet,
		pod: func(pod *corev1.Pod) {
			pod.OwnerReferences[0].Kind, pod.OwnerReferences[0].Name = "DaemonSet", "agent"
		},
		cordoned: true,
	},
	"a worker with a static pod": {
		pod: func(pod *corev1.Pod) {
			pod.OwnerReferences, pod.Annotations = nil, map[string]string{corev1.MirrorPodAnnotationKey: "1"}
		},
		cordoned: true,
	},
	"a worker with files of a pod": {
		pod: func(pod *corev1.Pod) {
			pod.Spec.Volumes = []corev1.Volume{{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
		},
		cordoned: true, evicted: true,
	},
	"a worker with a pod that Cluster API is to skip": {
		pod: func(pod *corev1.Pod) { pod.Labels[clusterv1.PodDrainLabel] = "skip" }, cordoned: true,
	},
	"a worker with a pod that a MachineDrainRule skips": {beforehand: aRule, cordoned: true},
}

func TestANodeIsDrainedBeforeItIsRestartedWhereThatHelps(t *testing.T) {
	t.Parallel()
	for name, world := range drainWorlds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{})
			if world.beforehand != nil {
				world.beforehand(t, b)
			}
			as := []func(*clusterv1.Machine, *infrav1.OCIMeshMachine){}
			if world.change != nil {
				as = append(as, world.change)
			}
			if world.othersCPU == "" {
				world.othersCPU = "4"
			}
			own, node := b.worker(t, world.othersCPU, as...)
			if world.pod == nil {
				world.pod = func(*corev1.Pod) {}
			}
			pod := b.pod(t, node, "shop", world.pod)

			b.updates(t, own, larger)
			b.untilRestarted(t, own)
			g.Expect(b.isCordoned(t, node)).To(Equal(world.cordoned))
			g.Expect(b.runs(t, pod)).To(Equal(!world.evicted))
			g.Expect(helpers.MessageOf(own, infrav1.UpdatedCondition)).To(ContainSubstring(world.told))
			g.Expect(own.Status.Drain.Message == "").To(Equal(world.told == ""))

			b.untilUpdated(t, own)
			g.Expect(b.isCordoned(t, node)).To(BeFalse())
			g.Expect(node.Annotations).NotTo(HaveKey(infrav1.AfterDrainAnnotation))
			g.Expect(own.Status.Drain).To(BeZero())
			g.Expect(b.runs(t, pod)).To(Equal(!world.evicted))
		})
	}
}

func TestADisruptionBudgetHoldsADrainUpUntilItsTime(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own, node, pod := b.shop(t)
	b.budget(t)
	calls := b.calls("UpdateInstance")

	b.updates(t, own, larger)
	b.untilTold(t, own, "Updated False Updating", "Node "+node.Name+" is being drained, until ")
	g.Expect(helpers.MessageOf(own, infrav1.UpdatedCondition)).To(And(
		ContainSubstring("Pod "+b.Namespace+"/shop: "), ContainSubstring("The disruption budget shop-stays needs 1 healthy pods and has 1 currently")))
	b.sleep(updates.DrainTimeout - time.Minute)
	b.pass(t, own)
	g.Expect(b.calls("UpdateInstance")).To(Equal(calls))
	g.Expect(b.isCordoned(t, node)).To(BeTrue())

	b.sleep(time.Minute)
	b.untilRestarted(t, own)
	g.Expect(helpers.MessageOf(own, infrav1.UpdatedCondition)).To(ContainSubstring("was not fully drained in time: Pod " + b.Namespace + "/shop"))
	g.Expect(b.runs(t, pod)).To(BeTrue())
	b.untilUpdated(t, own)
	g.Expect(b.isCordoned(t, node)).To(BeFalse())
}

// deletedSlowly deletes the Machine, which Cluster API keeps with its OCIMeshMachine while it
// drains the Node.
func (b *bench) deletedSlowly(t *testing.T, own *infrav1.OCIMeshMachine) {
	t.Helper()
	machine := b.ownerOf(t, own)
	helpers.Update(t, b.Environment, machine, func(machine *clusterv1.Machine) { machine.Finalizers = []string{clusterv1.MachineFinalizer} })
	NewWithT(t).Expect(b.Client.Delete(t.Context(), machine)).To(Succeed())
}

// deletedAmid are the moments of a change in place that a disruption budget or OCI holds up.
var deletedAmid = map[string]struct {
	heldUp   func(*testing.T, *bench, *infrav1.OCIMeshMachine, *corev1.Node)
	cordoned bool
}{
	"while its drain for another size is held up": {
		heldUp: func(t *testing.T, b *bench, own *infrav1.OCIMeshMachine, _ *corev1.Node) {
			b.updates(t, own, larger)
			b.untilTold(t, own, "Updated False Updating", "The disruption budget shop-stays needs 1 healthy pods")
		},
		cordoned: true,
	},
	"while its drain for another kubelet is held up": {
		heldUp: func(t *testing.T, b *bench, own *infrav1.OCIMeshMachine, node *corev1.Node) {
			b.upgrades(t, own, "v1.36.4", unchanged)
			b.untilTold(t, own, "Updated False Updating", "to begin with Kubernetes v1.36.4")
			b.nodeSays(t, node, "v1.36.4 - fetch done")
			b.untilTold(t, own, "Updated False Updating", "The disruption budget shop-stays needs 1 healthy pods")
		},
		cordoned: true,
	},
	"while OCI has put the change off": {
		heldUp: func(t *testing.T, b *bench, own *infrav1.OCIMeshMachine, _ *corev1.Node) {
			b.OCI.AddFault(sim.Fault{Operation: "UpdateInstance", Status: 500, Code: "InternalError", Message: "Out of host capacity."})
			b.updates(t, own, larger)
			b.untilTold(t, own, "Updated False Updating", "The disruption budget shop-stays needs 1 healthy pods")
			b.sleep(updates.DrainTimeout)
			b.untilCondition(t, own, "Updated False OutOfCapacity")
			b.until(t, own, func(g Gomega) { g.Expect(own.Status.Drain).To(BeZero()) })
		},
	},
}

func TestTheChangeInPlaceOfADeletedMachineInterruptsNobody(t *testing.T) {
	t.Parallel()
	for name, moment := range deletedAmid {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{})
			own, node, pod := b.shop(t)
			b.budget(t)
			moment.heldUp(t, b, own, node)
			calls := b.calls("UpdateInstance")

			b.deletedSlowly(t, own)
			b.sleep(max(updates.DrainTimeout, updates.FirstRetry) + time.Minute)
			b.settle(t, own, 5)

			g.Expect(helpers.ConditionsOf(own)).To(ContainElement("Updated False Deleting"))
			g.Expect(b.calls("UpdateInstance")).To(Equal(calls))
			g.Expect(b.booter.stopped()).To(BeZero())
			g.Expect(b.runs(t, pod)).To(BeTrue())
			g.Expect(b.isCordoned(t, node)).To(Equal(moment.cordoned))
			g.Expect(node.Annotations[infrav1.WantedVersionsAnnotation]).To(Or(BeEmpty(), Equal("v1.36.4 - fetch")))
		})
	}
}

func TestWhatOCIWasAskedForOfADeletedMachineIsFollowed(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own, node, _ := b.shop(t)
	b.updates(t, own, larger)
	b.untilRestarted(t, own)
	calls := b.calls("UpdateInstance")

	b.deletedSlowly(t, own)
	b.until(t, own, func(g Gomega) {
		g.Expect(own.Status.Update.WorkRequestID).To(BeEmpty())
		g.Expect(helpers.ConditionsOf(own)).To(ContainElement("Updated False Deleting"))
	})

	g.Expect(b.instance(t, own.Status.Instance.ID).MemoryGB).To(BeEquivalentTo(12))
	g.Expect(b.calls("UpdateInstance")).To(Equal(calls))
	g.Expect(b.isCordoned(t, node)).To(BeTrue(), "Cluster API drains it")
}

func TestADrainGoesOnWhereAManagerHasDied(t *testing.T) {
	t.Parallel()
	for name, moment := range map[string]func(g Gomega, own *infrav1.OCIMeshMachine, node *corev1.Node){
		"after the drain was recorded": func(g Gomega, own *infrav1.OCIMeshMachine, _ *corev1.Node) {
			g.Expect(own.Status.Drain.StartedAt.IsZero()).To(BeFalse())
		},
		"after the Node was cordoned": func(g Gomega, _ *infrav1.OCIMeshMachine, node *corev1.Node) {
			g.Expect(node.Spec.Unschedulable).To(BeTrue())
		},
		"after the pods were gone": func(g Gomega, own *infrav1.OCIMeshMachine, _ *corev1.Node) {
			g.Expect(own.Status.Drain.EndedAt.IsZero()).To(BeFalse())
		},
		"after the restart": func(g Gomega, own *infrav1.OCIMeshMachine, _ *corev1.Node) {
			g.Expect(own.Status.Update.NotBefore.IsZero()).To(BeFalse())
		},
	} {
		for lost, forget := range map[string]bool{"": false, ", and status is lost": true} {
			t.Run(name+lost, func(t *testing.T) {
				t.Parallel()
				g := NewWithT(t)
				b := newBench(t, helpers.WorldOptions{})
				own, node, pod := b.shop(t)
				b.updates(t, own, larger)
				b.until(t, own, func(g Gomega) {
					g.Expect(b.Client.Get(t.Context(), client.ObjectKeyFromObject(node), node)).To(Succeed())
					moment(g, own, node)
				})

				b.r = b.reconciler()
				b.r.InPlaceUpdates = true
				if forget {
					own.Status.Drain = infrav1.DrainStatus{}
					g.Expect(b.Client.Status().Update(t.Context(), own)).To(Succeed())
				}
				b.untilUpdated(t, own)

				g.Expect(b.runs(t, pod)).To(BeFalse())
				g.Expect(b.isCordoned(t, node)).To(BeFalse())
				g.Expect(own.Status.Drain).To(BeZero())
				g.Expect(b.booter.stopped()).To(Equal(1))
			})
		}
	}
}

func TestAnUnknownWordAboutTheDrainHoldsTheUpdateUpUntilItIsFixed(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own, node := b.worker(t, "4", annotated(infrav1.DrainAnnotation, "never"))
	calls := b.calls("UpdateInstance")
	b.updates(t, own, larger)
	b.untilTold(t, own, "Updated False DrainInvalid", `is "never": set it to Always or Never, or remove it`)
	g.Expect(b.isCordoned(t, node)).To(BeFalse())
	g.Expect(b.calls("UpdateInstance")).To(Equal(calls))

	helpers.Update(t, b.Environment, b.ownerOf(t, own), func(machine *clusterv1.Machine) {
		machine.Annotations[infrav1.DrainAnnotation] = infrav1.DrainNever
	})
	b.untilUpdated(t, own)
}

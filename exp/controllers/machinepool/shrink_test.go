// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool_test

import (
	"fmt"
	"maps"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// needsOfInstancesToCome are what those that are there do not need.
func needsOfInstancesToCome(b *bench) map[string]need {
	change := func(change func(*expv1.OCIMeshMachinePool)) func(*testing.T) {
		return func(t *testing.T) { helpers.Update(t, b.Environment, b.own, change) }
	}
	domains := func(names ...string) func(*testing.T) {
		return func(t *testing.T) {
			helpers.Update(t, b.Environment, b.machinePool, func(p *clusterv1.MachinePool) { p.Spec.FailureDomains = names })
		}
	}
	bootstrap := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace, Name: "workers-bootstrap"}}
	image := b.own.Spec.Image
	return map[string]need{
		"the image is gone": {
			change(func(own *expv1.OCIMeshMachinePool) { own.Spec.Image = infrav1.Image{Name: "silver"} }),
			change(func(own *expv1.OCIMeshMachinePool) { own.Spec.Image = image }),
			expv1.ConfigurationReadyCondition, "ImageNotFound", "silver", false,
		},
		"the bootstrap data is gone": {
			func(t *testing.T) {
				b.Reload(t, bootstrap)
				NewWithT(t).Expect(b.Client.Delete(t.Context(), bootstrap.DeepCopy())).To(Succeed())
			},
			func(t *testing.T) {
				bootstrap.ResourceVersion, bootstrap.UID = "", ""
				b.Create(t, bootstrap)
			},
			expv1.ConfigurationReadyCondition, "BootstrapDataInvalid", "workers-bootstrap", false,
		},
		"the failure domains are another account's": {
			domains("another-ad-1"), domains(), expv1.PoolReadyCondition, "FailureDomainUnknown", "remove failureDomains", false,
		},
	}
}

func TestAPoolGetsSmallerWhateverInstancesToComeLack(t *testing.T) {
	t.Parallel()
	b := newBench(t, 2)
	b.untilReady(t, 2)
	needs := needsOfConfiguration(t, b)
	maps.Copy(needs, needsOfTailnet(b))
	maps.Copy(needs, needsOfInstancesToCome(b))
	for name, world := range needs {
		if world.unseen {
			// What is in an account that cannot be asked stays.
			continue
		}
		t.Run(name, func(t *testing.T) {
			world.spoil(t)
			b.until(t, func(g Gomega) {
				g.Expect(helpers.ConditionsOf(b.own)).To(ContainElement(world.condition + " False " + world.reason))
			})
			for _, size := range []int32{1, 0} {
				t.Run(fmt.Sprint("to ", size), func(t *testing.T) {
					b.scaleTo(t, size)
					b.until(t, func(g Gomega) {
						g.Expect(b.instances(t)).To(HaveLen(int(size)))
						g.Expect(b.own.Status.Pool.Size).To(HaveValue(Equal(size)))
					})
				})
			}
			world.heal(t)
			b.scaleTo(t, 2)
			b.untilReady(t, 2)
		})
	}
}

// Each size may be the other management cluster's.
func TestAPoolThatIsClaimedGetsNoSmallerBeforeTheWindow(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	first := newManaged(t, "first", 2)
	first.untilReady(t, 2)
	before := first.holdings(t)
	second := first.restored(t, "second")
	second.changeInfra(t, func(infra *infrav1.OCIMeshCluster) { *infra.Status.Accounts[0].Ready = false })
	second.scaleTo(t, 0)
	second.untilClaim(t, infrav1.ClaimPending)
	second.passes(t, 4)
	g.Expect(second.holdings(t)).To(Equal(before))

	second.sleep(window)
	second.until(t, func(g Gomega) { g.Expect(second.instances(t)).To(BeEmpty()) })
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package poolmachine_test

import (
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
)

func TestAnObjectGoesOnceNothingIsLeftOfItsInstance(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t)
	object, _ := b.joined(t)
	g.Expect(object.Finalizers).To(ConsistOf(expv1.OCIMeshMachinePoolMachineFinalizer))
	bystander := b.join(client.Object(b.infraCluster(t)))

	b.delete(t, object)

	g.Expect(b.state()).To(Equal("TERMINATED"))
	g.Expect(b.volumes(t)).To(BeZero())
	g.Expect(b.Control.Devices()).To(ConsistOf(HaveField("ID", bystander.ID)))
	g.Expect(b.recorder.Events()).NotTo(ContainElement(HavePrefix("Warning ")), "an end that was asked for warns nobody")
}

// Nothing was ever made for it, whatever else is gone by now.
func TestAnObjectThatNeverStoodForAnythingGoesAtOnce(t *testing.T) {
	for name, remove := range map[string]func(t *testing.T, b *bench){
		"with all around it": func(*testing.T, *bench) {},
		"without its pool, its cluster and its tailnet": func(t *testing.T, b *bench) {
			g := NewWithT(t)
			pool := &expv1.OCIMeshMachinePool{}
			pool.Namespace, pool.Name = b.Namespace, "workers"
			for _, object := range []client.Object{pool, b.infraCluster(t), b.Tailnet} {
				g.Expect(b.Client.Delete(t.Context(), object)).To(Succeed())
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.instance = "ocid1.instance.oc1.iad.neverlaunched"
			object := b.nodeOf(t)
			remove(t, b)

			b.delete(t, object)

			NewWithT(t).Expect(b.calls("TerminateInstance") + b.calls("DetachInstancePoolInstance") + b.calls("DeleteVolume")).To(BeZero())
		})
	}
}

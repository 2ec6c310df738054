// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package poolmachine_test

import (
	"testing"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

func TestAMissingTailnetIsToldAndHeals(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	object := b.node(t)
	infra := b.infraCluster(t)
	allow := func(t *testing.T, namespace string) {
		helpers.Update(t, b.Environment, b.Tailnet, func(tn *infrav1.Tailnet) { tn.Spec.AllowedNamespaces.List = []string{namespace} })
	}
	for name, world := range map[string]struct {
		spoil, heal   func(t *testing.T)
		reason, helps string
	}{
		"the tailnet does not allow the namespace": {
			func(t *testing.T) { allow(t, "somebody-else") }, func(t *testing.T) { allow(t, b.Namespace) },
			"NamespaceNotAllowed", "have its owner add the namespace",
		},
		"somebody deleted the Tailnet": {
			func(t *testing.T) { NewWithT(t).Expect(b.Client.Delete(t.Context(), b.Tailnet)).To(Succeed()) },
			func(t *testing.T) { b.Tailnet = again(t, b, b.Tailnet) },
			"TailnetNotFound", "create it again",
		},
		"somebody deleted the OCIMeshCluster": {
			func(t *testing.T) { NewWithT(t).Expect(b.Client.Delete(t.Context(), infra)).To(Succeed()) },
			func(t *testing.T) { infra = again(t, b, infra) },
			"TailnetNotFound", "create it again",
		},
		"its credentials are gone": {
			func(t *testing.T) {
				NewWithT(t).Expect(b.Client.Delete(t.Context(), b.TailnetCredentials)).To(Succeed())
			},
			func(t *testing.T) { b.TailnetCredentials = again(t, b, b.TailnetCredentials) },
			"SecretNotFound", "tailnet",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			world.spoil(t)
			b.untilConditions(t, object, "False "+world.reason, "True Ready", "False "+world.reason)
			g.Expect(helpers.MessageOf(object, infrav1.TailnetReadyCondition)).To(And(
				ContainSubstring(world.helps), Not(ContainSubstring("finalizer"))), "nobody deletes the machine")
			world.heal(t)
			b.untilConditions(t, object, "False Joining", "True Ready", "False Joining")
		})
	}
	b.join(object)
	b.untilConditions(t, object, "True Ready", "True Ready", "True Ready")
	allow(t, "somebody-else")
	for range 3 {
		b.untilConditions(t, object, "True Ready", "True Ready", "True Ready")
	}
}

func TestADeletedMachineWhoseTailnetIsMissingEndsInOCIAndSaysWhatToDo(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t)
	object, _ := b.joined(t)
	infra := b.infraCluster(t)
	g.Expect(b.Client.Delete(t.Context(), infra)).To(Succeed())
	b.untilDeletionWaits(t, object, "TailnetNotFound")
	g.Expect(b.state()).To(Equal("TERMINATED"))
	g.Expect(helpers.MessageOf(object, infrav1.DeletingCondition)).To(ContainSubstring("remove the device, then this object's finalizer"))

	again(t, b, infra)
	b.untilGone(t, object)
	g.Expect(b.Control.Devices()).To(BeEmpty())
}

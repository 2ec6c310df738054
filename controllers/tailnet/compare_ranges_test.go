// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

func TestTheYoungerOfTwoTailnetsWithOneRangeIsToldAndHeals(t *testing.T) {
	g := NewWithT(t)
	w, r := newWorld(t, tailnetsim.Tailscale)
	newUser(t, w, "c1", "10.250.0.7")
	reconciled(t, r, w.Tailnet)
	younger := helpers.NewTailnet(w.Namespace+"-2", w.TailnetCredentials, w.Control.URL(), "10.250.0.0/16")
	env.Create(t, younger)

	reconciled(t, r, younger)
	reconciled(t, r, w.Tailnet)

	g.Expect(helpers.ConditionsOf(younger)).To(ContainElements("Ready True Ready", "RangesDistinct False VIPRangeOverlap"))
	g.Expect(helpers.MessageOf(younger, infrav1.RangesDistinctCondition)).To(ContainSubstring("overlaps 10.250.0.0/24 of Tailnet " + w.Tailnet.Name))
	g.Expect(helpers.ConditionsOf(w.Tailnet)).To(ContainElement("RangesDistinct True Ready"))
	g.Expect(r.tailnetToContenders(t.Context(), w.Tailnet)).To(ConsistOf(HaveField("Name", younger.Name)))

	helpers.Update(t, env, w.Tailnet, func(tn *infrav1.Tailnet) { tn.Finalizers = nil })
	g.Expect(env.Client.Delete(t.Context(), w.Tailnet)).To(Succeed())
	reconciled(t, r, younger)

	g.Expect(helpers.ConditionsOf(younger)).To(ContainElement("RangesDistinct True Ready"))
}

func TestAVIPRangeOverALivingClusterIsToldWithItsNameAndHeals(t *testing.T) {
	for vips, taken := range map[string]string{
		"10.244.0.0/16": "the pod range 10.244.0.0/16", "10.240.0.0/13": "the pod range 10.244.0.0/16", "10.96.0.0/30": "the service range 10.96.0.0/12",
	} {
		t.Run(vips, func(t *testing.T) {
			g := NewWithT(t)
			w, r := newWorld(t, tailnetsim.Tailscale)
			w.Tailnet = helpers.NewTailnet(w.Namespace+"-2", w.TailnetCredentials, w.Control.URL(), "")
			env.Create(t, w.Tailnet)
			user := newUser(t, w, "c1", "")
			user.Status.Ranges = infrav1.ClusterRanges{Pods: []string{"10.244.0.0/16"}, Services: []string{"10.96.0.0/12"}}
			g.Expect(env.Client.Status().Update(t.Context(), user)).To(Succeed())
			helpers.Update(t, env, w.Tailnet, func(tn *infrav1.Tailnet) { tn.Spec.VIPRange = vips })
			reconciled(t, r, w.Tailnet)
			g.Expect(helpers.ConditionsOf(w.Tailnet)).To(ContainElement("RangesDistinct True Ready"), "it has no machines, and is refused itself")

			user.Status.Initialization.Provisioned = ptr.To(true)
			g.Expect(env.Client.Status().Update(t.Context(), user)).To(Succeed())
			reconciled(t, r, w.Tailnet)
			g.Expect(helpers.ConditionsOf(w.Tailnet)).To(ContainElements("Ready True Ready", "RangesDistinct False VIPRangeOverlap"))
			g.Expect(helpers.MessageOf(w.Tailnet, infrav1.RangesDistinctCondition)).To(And(
				ContainSubstring("overlaps "+taken), ContainSubstring(" of OCIMeshCluster "+w.Namespace+"/c1")))

			g.Expect(env.Client.Delete(t.Context(), user)).To(Succeed())
			reconciled(t, r, w.Tailnet)
			g.Expect(helpers.ConditionsOf(w.Tailnet)).To(ContainElement("RangesDistinct True Ready"))
		})
	}
}

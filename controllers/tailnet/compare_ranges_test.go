// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"testing"

	. "github.com/onsi/gomega"

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

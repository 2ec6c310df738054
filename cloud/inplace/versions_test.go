// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package inplace

import (
	"testing"

	. "github.com/onsi/gomega"
)

func TestKubernetesGoesUpByAPatchOrTheNextMinorVersion(t *testing.T) {
	for _, world := range []struct {
		from, to string
		want     bool
	}{
		{"v1.36.1", "v1.36.2", true},
		{"v1.36.1", "v1.36.9", true},
		{"v1.36.1", "v1.37.0", true},
		{"v1.36.9", "v1.36.10", true},
		{"v1.36.1", "v1.36.1", false},
		{"v1.36.1", "v1.36.0", false},
		{"v1.36.1", "v1.35.9", false},
		{"v1.36.1", "v1.38.0", false},
		{"v1.36.1", "v2.36.2", false},
		{"v1.36.1", "v1.36.2-rc.0", false},
		{"v1.36.1+own.1", "v1.36.2", false},
		{"v1.36.1", "1.36.2", false},
		{"v1.36.1", "v1.36.2 ", false},
		{"v1.36.1", "v1.36.2\n", false},
		{"v1.36.1", "v1.36.2;reboot", false},
		{"v1.36.1", "", false},
		{"", "v1.36.2", false},
	} {
		t.Run(world.from+" to "+world.to, func(t *testing.T) {
			NewWithT(t).Expect(KubernetesCanBecome(world.from, world.to)).To(Equal(world.want))
		})
	}
}

func TestANodesReportIsReadAsItsAgentWroteIt(t *testing.T) {
	patch, both := Versions{Kubernetes: "v1.36.2"}, Versions{Kubernetes: "v1.36.2", Tailscale: "1.104.0"}
	for text, world := range map[string]struct {
		want              Report
		hasPatch, hasBoth bool
	}{
		"v1.36.2 - done":                                    {Report{"v1.36.2 -", Done, ""}, true, false},
		"v1.36.2 1.104.0 done":                              {Report{"v1.36.2 1.104.0", Done, ""}, true, true},
		"v1.36.2 1.102.3 done":                              {Report{"v1.36.2 1.102.3", Done, ""}, true, false},
		"v1.36.21 - done":                                   {Report{"v1.36.21 -", Done, ""}, false, false},
		"v1.36.2 - working running kubeadm upgrade node":    {Report{"v1.36.2 -", "working", "running kubeadm upgrade node"}, false, false},
		"v1.36.2 - failed Kubernetes 1.36.2 cannot be had ": {Report{"v1.36.2 -", Failed, "Kubernetes 1.36.2 cannot be had"}, false, false},
		"v1.36.2 - fetch working fetching the packages":     {Report{"v1.36.2 - fetch", "working", "fetching the packages"}, false, false},
		"v1.36.2 1.104.0 fetch done":                        {Report{"v1.36.2 1.104.0 fetch", Done, ""}, false, false},
		"v1.36.2 - fetch":                                   {Report{"v1.36.2 -", "fetch", ""}, false, false},
		"":                                                  {Report{Versions: " "}, false, false},
		"done":                                              {Report{Versions: "done "}, false, false},
	} {
		t.Run(text, func(t *testing.T) {
			g := NewWithT(t)
			report := ReportOf(text)
			g.Expect(report).To(Equal(world.want))
			g.Expect(report.Has(patch)).To(Equal(world.hasPatch))
			g.Expect(report.Has(both)).To(Equal(world.hasBoth))
		})
	}
	NewWithT(t).Expect(patch.String() + "," + both.String() + "," + both.ToFetch()).To(Equal("v1.36.2 -,v1.36.2 1.104.0,v1.36.2 1.104.0 fetch"))
}

func TestABuildOfAVersionIsThatVersion(t *testing.T) {
	for _, wanted := range []Versions{{Kubernetes: "v1.36.3"}, {Kubernetes: "v1.36.3+own.1"}} {
		g := NewWithT(t)
		for version, is := range map[string]bool{
			"v1.36.3": true, "v1.36.3+vendor.1": true, "v1.36.30": false, "v1.36.3-rc.0": false, "v1.36.2+v1.36.3": false, "": false,
		} {
			g.Expect(wanted.IsKubelet(version)).To(Equal(is), version)
		}
		g.Expect(wanted.String()+","+wanted.ToFetch()+","+wanted.Words()).To(Equal("v1.36.3 -,v1.36.3 - fetch,Kubernetes v1.36.3"),
			"the agent takes numbers only, and installs the version's package")
		g.Expect(ReportOf("v1.36.3 1.102.3 done").Has(wanted)).To(BeTrue())
		g.Expect(ReportOf("v1.36.2 1.102.3 done").Has(wanted)).To(BeFalse())
	}
}

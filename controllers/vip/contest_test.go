// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package vip

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

func TestTwoTailnetsOfOneNetworkGiveNoAddressTwice(t *testing.T) {
	for name, vips := range map[string]string{"the same range": "10.250.0.0/24", "a wider one": "10.250.0.0/16", "a part of it": "10.250.0.0/28"} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w := helpers.NewWorld(t, env, helpers.WorldOptions{Accounts: 1})
			elder := w.Tailnet
			g.Expect(allocate(t, w, newCluster(t, w, "c1"))).To(Equal("10.250.0.1"))
			younger := helpers.NewTailnet(w.Namespace+"-2", w.TailnetCredentials, w.Control.URL(), vips)
			env.Create(t, younger)
			w.Tailnet = younger
			late := newCluster(t, w, "c2")

			_, err := ledger().Allocate(t.Context(), younger.Name, late)
			g.Expect(access.AsProblem(err).Reason).To(Equal(infrav1.VIPRangeOverlapReason))
			g.Expect(err).To(MatchError(Not(ContainSubstring(elder.Name+" "))), "clusters hear of the other one on the Tailnet only")

			w.Tailnet = elder
			g.Expect(allocate(t, w, newCluster(t, w, "c3"))).To(Equal("10.250.0.2"), "the elder one goes on")
			w.Tailnet = younger
			g.Expect(env.Client.Delete(t.Context(), elder)).To(Succeed())
			g.Expect(allocate(t, w, late)).To(Equal("10.250.0.1"), "and the younger one once it is alone")
		})
	}
}

// Before the ranges were compared both gave addresses out.
func TestTheElderTailnetGivesNoAddressOfTheYoungersClusters(t *testing.T) {
	g := NewWithT(t)
	w := helpers.NewWorld(t, env, helpers.WorldOptions{Accounts: 1})
	g.Expect(allocate(t, w, newCluster(t, w, "c1"))).To(Equal("10.250.0.1"))
	younger := helpers.NewTailnet(w.Namespace+"-2", w.TailnetCredentials, w.Control.URL(), "10.250.0.0/24")
	env.Create(t, younger)
	younger.Status.VIPAllocations = []infrav1.VIPAllocation{{Address: "10.250.0.2", Namespace: w.Namespace, Name: "old", UID: "old"}}
	younger.CreationTimestamp = metav1.NewTime(w.Tailnet.CreationTimestamp.Add(time.Hour))
	g.Expect(env.Client.Status().Update(t.Context(), younger)).To(Succeed())
	contenders := Contenders(w.Tailnet, []infrav1.Tailnet{*w.Tailnet, *younger})
	g.Expect(contenders).To(HaveLen(1))

	free, err := ledger().lowestFree(w.Tailnet, nil, contenders)

	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(free).NotTo(Equal("10.250.0.2"))
}

func TestWhichOfTwoTailnetsIsTheElder(t *testing.T) {
	now := time.Now()
	of := func(name string, created time.Time, gave bool) infrav1.Tailnet {
		tn := infrav1.Tailnet{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), CreationTimestamp: metav1.NewTime(created)}}
		if gave {
			tn.Status.VIPAllocations = []infrav1.VIPAllocation{{Address: "10.250.0.1"}}
		}
		return tn
	}
	for name, world := range map[string]struct {
		first, second infrav1.Tailnet
	}{
		"by time":                  {of("b", now, false), of("a", now.Add(time.Second), true)},
		"by addresses in a second": {of("b", now, true), of("a", now, false)},
		"by identity":              {of("a", now, false), of("b", now, false)},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(Elder(&world.second, []infrav1.Tailnet{world.first})).To(HaveValue(HaveField("Name", world.first.Name)))
			g.Expect(Elder(&world.first, []infrav1.Tailnet{world.second})).To(BeNil())
		})
	}
}

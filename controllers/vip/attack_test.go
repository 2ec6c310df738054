// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package vip

import (
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// forged is a cluster in a namespace that the tailnet does not allow.
func forged(t *testing.T, w *helpers.World, name string, forge func(*infrav1.OCIMeshCluster)) *infrav1.OCIMeshCluster {
	t.Helper()
	cluster := helpers.NewCluster(env.Namespace(t, nil), name)
	env.Create(t, cluster)
	infra := helpers.NewOCIMeshCluster(cluster, w.Tailnet.Name, []string{"a"}, forge)
	env.Create(t, infra)
	return infra
}

func identityOf(of *infrav1.OCIMeshCluster, uid string) map[string]string {
	return map[string]string{infrav1.IdentityAnnotation: fmt.Sprintf("%s/%s/%s", of.Namespace, of.Name, uid)}
}

func TestWhoForgesAnIdentityNeitherHoldsNorReleasesItsAddress(t *testing.T) {
	g := NewWithT(t)
	w := helpers.NewWorld(t, env, helpers.WorldOptions{Accounts: 1})
	w.MakeReady(t)
	victim := newCluster(t, w, "c1")
	address := allocate(t, w, victim)
	env.Reload(t, w.Tailnet)
	published := w.Tailnet.Status.VIPAllocations[0].UID
	for _, name := range []string{"c1", "c2"} {
		forger := forged(t, w, name, func(own *infrav1.OCIMeshCluster) { own.Annotations = identityOf(own, published) })
		g.Expect(Holds(w.Tailnet.Status.VIPAllocations[0], forger)).To(BeFalse())
		g.Expect(ledger().Release(t.Context(), w.Tailnet.Name, forger)).To(Succeed())
	}
	// Also in a namespace that may use the tailnet, under another name.
	neighbour := newCluster(t, w, "c3")
	helpers.Update(t, env, neighbour, func(own *infrav1.OCIMeshCluster) { own.Annotations = identityOf(own, published) })
	g.Expect(allocate(t, w, neighbour)).NotTo(Equal(address))
	g.Expect(ledger().Release(t.Context(), w.Tailnet.Name, neighbour)).To(Succeed())

	env.Reload(t, w.Tailnet)
	g.Expect(w.Tailnet.Status.VIPAllocations).To(HaveLen(1))
	g.Expect(w.Tailnet.Status.VIPAllocations[0].Address).To(Equal(address))
	g.Expect(w.Tailnet.Status.VIPAllocations[0].Namespace).To(Equal(victim.Namespace))
}

func TestClustersOfNamespacesThatAreNotAllowedHaveNoEffectOnTheList(t *testing.T) {
	overlong := strings.Repeat("x", 300)
	for name, forge := range map[string]func(*infrav1.OCIMeshCluster){
		"an overlong identity":           func(own *infrav1.OCIMeshCluster) { own.Annotations = identityOf(own, overlong) },
		"an identity that cannot be one": func(own *infrav1.OCIMeshCluster) { own.Annotations = identityOf(own, "a b\nc") },
		"an address of the range": func(own *infrav1.OCIMeshCluster) {
			own.Spec.ControlPlaneEndpoint = infrav1.APIEndpoint{Host: "10.250.0.1", Port: 6443}
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w := helpers.NewWorld(t, env, helpers.WorldOptions{Accounts: 1})
			w.MakeReady(t)
			forged(t, w, "c1", func(own *infrav1.OCIMeshCluster) {
				own.Spec.ControlPlaneEndpoint = infrav1.APIEndpoint{Host: "10.250.0.2", Port: 6443}
				forge(own)
			})
			_, err := ledger().Audit(t.Context(), w.Tailnet.Name)
			g.Expect(err).NotTo(HaveOccurred())
			env.Reload(t, w.Tailnet)
			g.Expect(w.Tailnet.Status.VIPAllocations).To(BeEmpty())
			g.Expect(allocate(t, w, newCluster(t, w, "honest"))).To(Equal("10.250.0.1"))
		})
	}
}

// A restore or a move loses the list. Who wrote another cluster's address into his spec before must
// not get it then.
func TestAnAddressThatTwoSpecsShowIsNobodysOnceTheListIsLost(t *testing.T) {
	g := NewWithT(t)
	w := helpers.NewWorld(t, env, helpers.WorldOptions{Accounts: 1})
	w.MakeReady(t)
	at := func(address string) func(*infrav1.OCIMeshCluster) {
		return func(own *infrav1.OCIMeshCluster) {
			own.Spec.ControlPlaneEndpoint = infrav1.APIEndpoint{Host: address, Port: 6443}
		}
	}
	squatter, victim, third := newCluster(t, w, "a-squatter"), newCluster(t, w, "victim"), newCluster(t, w, "third")
	for cluster, address := range map[*infrav1.OCIMeshCluster]string{squatter: "10.250.0.9", victim: "10.250.0.9", third: "10.250.0.8"} {
		helpers.Update(t, env, cluster, at(address))
	}
	audited := func() []string {
		_, err := ledger().Audit(t.Context(), w.Tailnet.Name)
		g.Expect(err).NotTo(HaveOccurred())
		env.Reload(t, w.Tailnet)
		var held []string
		for _, allocation := range w.Tailnet.Status.VIPAllocations {
			held = append(held, allocation.Name+" "+allocation.Address)
		}
		return held
	}
	g.Expect(audited()).To(ConsistOf("third 10.250.0.8"))
	g.Expect(allocate(t, w, newCluster(t, w, "honest"))).To(Equal("10.250.0.1"))

	g.Expect(env.Client.Delete(t.Context(), squatter)).To(Succeed())
	g.Expect(audited()).To(ContainElement("victim 10.250.0.9"))
}

func TestABadIdentityInAnAllowedNamespaceStopsNobody(t *testing.T) {
	g := NewWithT(t)
	w := helpers.NewWorld(t, env, helpers.WorldOptions{Accounts: 1})
	w.MakeReady(t)
	bad := newCluster(t, w, "bad")
	helpers.Update(t, env, bad, func(own *infrav1.OCIMeshCluster) {
		own.Annotations = identityOf(own, strings.Repeat("x", 300))
		own.Spec.ControlPlaneEndpoint = infrav1.APIEndpoint{Host: "10.250.0.2", Port: 6443}
	})
	_, err := ledger().Audit(t.Context(), w.Tailnet.Name)
	g.Expect(err).NotTo(HaveOccurred())
	env.Reload(t, w.Tailnet)
	g.Expect(w.Tailnet.Status.VIPAllocations).To(HaveLen(1))
	g.Expect(w.Tailnet.Status.VIPAllocations[0].UID).To(Equal(string(bad.UID)), "it counts as none")
}

func TestAClusterKeepsItsAddressWhenItsNamespaceLosesPermission(t *testing.T) {
	g := NewWithT(t)
	w := helpers.NewWorld(t, env, helpers.WorldOptions{Accounts: 1})
	w.MakeReady(t)
	cluster := newCluster(t, w, "c1")
	address := allocate(t, w, cluster)
	helpers.Update(t, env, w.Tailnet, func(tn *infrav1.Tailnet) {
		tn.Spec.AllowedNamespaces = infrav1.AllowedNamespaces{List: []string{"elsewhere"}}
	})
	changed, err := ledger().Audit(t.Context(), w.Tailnet.Name)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(changed).To(BeFalse())
	g.Expect(ledger().Release(t.Context(), w.Tailnet.Name, cluster)).To(Succeed(), "and gives it back itself")
	env.Reload(t, w.Tailnet)
	g.Expect(w.Tailnet.Status.VIPAllocations).To(BeEmpty())
	g.Expect(address).To(Equal("10.250.0.1"))
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package vip

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

var env *helpers.Environment

func TestMain(m *testing.M) { os.Exit(helpers.Run(m, &env)) }

func ledger() Ledger {
	clients := access.New(access.Options{Client: env.Client})
	return Ledger{Client: env.Client, Reader: env.Client, Allowed: clients.MayUseTailnet}
}

func newCluster(t *testing.T, w *helpers.World, name string) *infrav1.OCIMeshCluster {
	t.Helper()
	cluster := helpers.NewCluster(w.Namespace, name)
	env.Create(t, cluster)
	infra := helpers.NewOCIMeshCluster(cluster, w.Tailnet.Name, []string{"a"})
	env.Create(t, infra)
	return infra
}

func allocate(t *testing.T, w *helpers.World, cluster *infrav1.OCIMeshCluster) string {
	t.Helper()
	address, err := ledger().Allocate(t.Context(), w.Tailnet.Name, cluster)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return address
}

func TestAClusterKeepsTheAddressThatItHas(t *testing.T) {
	g := NewWithT(t)
	w := helpers.NewWorld(t, env, helpers.WorldOptions{Accounts: 1})
	cluster := newCluster(t, w, "c1")

	g.Expect(allocate(t, w, cluster)).To(Equal("10.250.0.1"), "the network's own address is not used")
	g.Expect(allocate(t, w, cluster)).To(Equal("10.250.0.1"), "also after a crash before the address was written to the spec")
	g.Expect(allocate(t, w, newCluster(t, w, "c2"))).To(Equal("10.250.0.2"))
}

func TestAnAddressThatWasGivenBackIsGivenOutAgain(t *testing.T) {
	g := NewWithT(t)
	w := helpers.NewWorld(t, env, helpers.WorldOptions{Accounts: 1})
	first := newCluster(t, w, "c1")
	allocate(t, w, first)
	allocate(t, w, newCluster(t, w, "c2"))

	g.Expect(ledger().Release(t.Context(), w.Tailnet.Name, first)).To(Succeed())

	g.Expect(allocate(t, w, newCluster(t, w, "c3"))).To(Equal("10.250.0.1"))
	g.Expect(ledger().Release(t.Context(), "gone", first)).To(Succeed(), "a Tailnet that is gone holds nothing")
}

func TestAFullRangeIsSaidToBeFull(t *testing.T) {
	g := NewWithT(t)
	w := helpers.NewWorld(t, env, helpers.WorldOptions{Accounts: 1, VIPRange: "10.250.0.4/30"})
	g.Expect(allocate(t, w, newCluster(t, w, "c1"))).To(Equal("10.250.0.5"))
	g.Expect(allocate(t, w, newCluster(t, w, "c2"))).To(Equal("10.250.0.6"))

	_, err := ledger().Allocate(t.Context(), w.Tailnet.Name, newCluster(t, w, "c3"))

	g.Expect(access.AsProblem(err).Reason).To(Equal(infrav1.VIPRangeExhaustedReason))
	g.Expect(err).To(MatchError(ContainSubstring("delete clusters")))
}

func TestATailnetWithoutARangeGivesNothing(t *testing.T) {
	g := NewWithT(t)
	w := helpers.NewWorld(t, env, helpers.WorldOptions{Accounts: 1})
	bare := helpers.NewTailnet(w.Namespace+"-bare", w.TailnetCredentials, w.Control.URL(), "")
	env.Create(t, bare)

	_, err := ledger().Allocate(t.Context(), bare.Name, newCluster(t, w, "c1"))

	g.Expect(access.AsProblem(err).Reason).To(Equal(infrav1.VIPRangeMissingReason))
}

func TestConcurrentAllocationsNeverMeet(t *testing.T) {
	g := NewWithT(t)
	const clusters = 12
	w := helpers.NewWorld(t, env, helpers.WorldOptions{Accounts: 1})
	addresses := make([]string, clusters)
	var all sync.WaitGroup
	for i := range clusters {
		cluster := newCluster(t, w, fmt.Sprintf("c%d", i))
		all.Go(func() {
			// As a controller does, try until it works: the API server refuses an update made on an
			// old version.
			for addresses[i] == "" && t.Context().Err() == nil {
				// An address that comes with an error would be one that is not taken.
				addresses[i], _ = ledger().Allocate(t.Context(), w.Tailnet.Name, cluster)
			}
		})
	}
	all.Wait()

	slices.Sort(addresses)
	g.Expect(slices.Compact(addresses)).To(HaveLen(clusters))
	env.Reload(t, w.Tailnet)
	g.Expect(w.Tailnet.Status.VIPAllocations).To(HaveLen(clusters))
}

func TestLostAllocationsAreFoundAgainFromSpecs(t *testing.T) {
	g := NewWithT(t)
	w := helpers.NewWorld(t, env, helpers.WorldOptions{Accounts: 1})
	moved := newCluster(t, w, "moved")
	helpers.Update(t, env, moved, func(c *infrav1.OCIMeshCluster) {
		c.Spec.ControlPlaneEndpoint = infrav1.APIEndpoint{Host: "10.250.0.1", Port: 6443}
	})

	g.Expect(allocate(t, w, newCluster(t, w, "fresh"))).To(Equal("10.250.0.2"), "an address in a spec is taken")
	changed, err := ledger().Audit(t.Context(), w.Tailnet.Name)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(changed).To(BeTrue())

	env.Reload(t, w.Tailnet)
	g.Expect(w.Tailnet.Status.VIPAllocations[0]).To(Equal(infrav1.VIPAllocation{
		Address: "10.250.0.1", Namespace: w.Namespace, Name: "moved", UID: string(moved.UID),
	}))
	g.Expect(ledger().Audit(t.Context(), w.Tailnet.Name)).To(BeFalse(), "nothing more to do")
}

func TestAllocationsOfClustersThatAreGoneAreDropped(t *testing.T) {
	g := NewWithT(t)
	w := helpers.NewWorld(t, env, helpers.WorldOptions{Accounts: 1})
	gone := newCluster(t, w, "gone")
	allocate(t, w, gone)
	g.Expect(env.Client.Delete(t.Context(), gone)).To(Succeed())

	g.Expect(ledger().Audit(t.Context(), w.Tailnet.Name)).To(BeTrue())

	env.Reload(t, w.Tailnet)
	g.Expect(w.Tailnet.Status.VIPAllocations).To(BeEmpty())
}

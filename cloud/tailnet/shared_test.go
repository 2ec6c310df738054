// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet_test

import (
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

// operations counts the calls at a server.
func operations(server *tailnetsim.Server) map[string]int {
	counts := map[string]int{}
	for _, call := range server.Calls() {
		counts[call.Operation]++
	}
	return counts
}

func TestMachinesShareAListOfDevices(t *testing.T) {
	modes(t, func(t *testing.T, mode tailnetsim.Mode) {
		g := NewWithT(t)
		server := newServer(t, inMode(mode))
		client := newClient(t, server)
		key, err := client.CreateKey(t.Context(), tailnet.KeySpec{Tags: []string{nodeTag}})
		g.Expect(err).NotTo(HaveOccurred())
		early, err := client.RecentDevices(t.Context(), time.Hour)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(early.All).To(BeEmpty())
		_, err = server.Register(key.Secret.Reveal(), "a1")
		g.Expect(err).NotTo(HaveOccurred())

		old, err := client.RecentDevices(t.Context(), time.Hour)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(old.All).To(BeEmpty(), "an hour ago the device was not there")
		g.Expect(operations(server)[tailnetsim.OpListDevices]).To(Equal(1))

		g.Eventually(func(g Gomega) {
			fresh, err := client.RecentDevices(t.Context(), 0)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(fresh.Of("", "", "a1")).To(HaveLen(1))
		}, time.Minute).Should(Succeed())
	})
}

func TestAKeyIsLiveUntilSomebodyHasJoinedWithIt(t *testing.T) {
	for name, mode := range map[string]tailnetsim.Mode{
		"all": tailnetsim.Tailscale, "identifiers": tailnetsim.Tailscale, "headscale": tailnetsim.Headscale,
		"headscale 0.29": tailnetsim.Headscale029, "headscale 0.28": tailnetsim.Headscale028,
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			server := newServer(t, inMode(mode), func(o *tailnetsim.Options) { o.ListKeyIDsOnly = name == "identifiers" })
			client := newClient(t, server)
			spec := tailnet.KeySpec{Tags: []string{nodeTag}}
			key, err := client.CreateKey(t.Context(), spec)
			g.Expect(err).NotTo(HaveOccurred())
			revoked, err := client.CreateKey(t.Context(), spec)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(client.RevokeKey(t.Context(), ownership.Recorded(revoked.ID))).To(Succeed())

			before := operations(server)[tailnetsim.OpListKeys]
			begun := time.Now()
			g.Expect(client.KeyIsLive(t.Context(), key.ID, begun)).To(BeTrue())
			g.Expect(client.KeyIsLive(t.Context(), revoked.ID, begun)).To(BeFalse())
			g.Expect(client.KeyIsLive(t.Context(), "nobody's", begun)).To(BeFalse())
			_, err = server.Register(key.Secret.Reveal(), "a1")
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(client.KeyIsLive(t.Context(), key.ID, begun)).To(BeTrue(), "the list is as old as it may be")
			g.Expect(client.KeyIsLive(t.Context(), key.ID, time.Now())).To(BeFalse())
			g.Expect(operations(server)[tailnetsim.OpListKeys]-before).To(Equal(2), "callers share lists")
		})
	}
}

func TestOneOfManyWhoAskAtOnceReadsTheList(t *testing.T) {
	g := NewWithT(t)
	server := newServer(t)
	client := newClient(t, server)
	server.Inject(tailnetsim.Fault{Operation: tailnetsim.OpListDevices, Delay: 200 * time.Millisecond})
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			_, err := client.RecentDevices(t.Context(), time.Hour)
			g.Expect(err).NotTo(HaveOccurred())
		})
	}
	all.Wait()
	g.Expect(operations(server)[tailnetsim.OpListDevices]).To(Equal(1))
}

func TestWhoWaitsForAListThatFailsIsToldWhy(t *testing.T) {
	g := NewWithT(t)
	server := newServer(t)
	client := newClient(t, server)
	server.Inject(tailnetsim.Fault{Operation: tailnetsim.OpListDevices, Delay: 500 * time.Millisecond, Status: 503, Message: "busy"})
	failures := make(chan error, 20)
	for range cap(failures) {
		go func() {
			_, err := client.RecentDevices(t.Context(), time.Hour)
			failures <- err
		}()
	}
	for range cap(failures) {
		g.Expect(<-failures).To(MatchError(ContainSubstring("busy")))
	}
	_, err := client.RecentDevices(t.Context(), time.Hour)
	g.Expect(err).NotTo(HaveOccurred(), "a failure is not kept")
}

func TestKeysAreListedAnewForWhoHasToSeeNewerOnes(t *testing.T) {
	g := NewWithT(t)
	server := newServer(t)
	client := newClient(t, server)
	begun := time.Now()
	found, err := client.KeysSince(t.Context(), "machine a1", begun)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(BeEmpty())
	made, err := client.CreateKey(t.Context(), tailnet.KeySpec{Tags: []string{nodeTag}, Description: "machine a1"})
	g.Expect(err).NotTo(HaveOccurred())

	found, err = client.KeysSince(t.Context(), "machine a1", begun)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(BeEmpty(), "the list is one that was begun since")
	g.Expect(operations(server)[tailnetsim.OpListKeys]).To(Equal(1))

	found, err = client.KeysSince(t.Context(), "machine a1", time.Now())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(HaveLen(1))
	g.Expect(found[0].ID).To(Equal(made.ID))
}

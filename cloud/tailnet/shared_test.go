// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/tailnetsim"
)

// operations counts the calls that a server has seen.
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
		early, err := client.RecentDevices(t.Context(), "a1", time.Hour)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(early).To(BeEmpty())
		_, err = server.Register(key.Secret.Reveal(), "a1")
		g.Expect(err).NotTo(HaveOccurred())

		old, err := client.RecentDevices(t.Context(), "a1", time.Hour)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(old).To(BeEmpty(), "an hour ago the device was not there")
		g.Expect(operations(server)[tailnetsim.OpListDevices]).To(Equal(1))

		g.Eventually(func(g Gomega) {
			fresh, err := client.RecentDevices(t.Context(), "a1", 0)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(fresh).To(HaveLen(1))
			g.Expect(fresh[0].Hostname).To(Equal("a1"))
		}).Should(Succeed())
	})
}

func TestOneOfManyWhoAskAtOnceReadsTheList(t *testing.T) {
	g := NewWithT(t)
	server := newServer(t)
	client := newClient(t, server)
	server.Inject(tailnetsim.Fault{Operation: tailnetsim.OpListDevices, Delay: 200 * time.Millisecond})
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			_, err := client.RecentDevices(t.Context(), fmt.Sprint("host-", i), time.Hour)
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
			_, err := client.RecentDevices(t.Context(), "a1", time.Hour)
			failures <- err
		}()
	}
	for range cap(failures) {
		g.Expect(<-failures).To(MatchError(ContainSubstring("busy")))
	}
	_, err := client.RecentDevices(t.Context(), "a1", time.Hour)
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

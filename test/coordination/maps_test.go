// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"
	"time"

	"tailscale.com/tailcfg"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

// A node repeats its map request every two minutes while its packets are lost. All of its requests
// come at once when they are not, and the one that it follows need not be the last to be served.
func TestANodeIsOnlineByAnyOfItsStreams(t *testing.T) {
	sim, err := tailnetsim.New(tailnetsim.Options{APIKeys: []string{"key"}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := newServer(sim, options{relay: relay{"127.0.0.1", "127.0.0.1:1", "127.0.0.1:2"}, absence: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	device := sim.Add("worker", func(*tailnetsim.Device) {})
	n := &node{device: device.ID, hostinfo: &tailcfg.Hostinfo{Hostname: "worker"}, streams: map[*stream]bool{}}
	s.nodes[device.ID] = n
	followed, givenUp := newStream(), newStream()

	s.arrive(n, followed)
	s.arrive(n, givenUp)
	s.leave(n, givenUp)

	if s.changed(); len(followed.wake) != 1 {
		t.Error("the stream that the node follows is not told of changes")
	}
	if n.absent != 2 {
		t.Error("the node counts as absent while it has a stream")
	}
	s.leave(n, followed)
	for deadline := time.Now().Add(time.Minute); s.devices()[n.device].Online; time.Sleep(s.absence) {
		if time.Now().After(deadline) {
			t.Fatal("the node is online without a stream")
		}
	}
}

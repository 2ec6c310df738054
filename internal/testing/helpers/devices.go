// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package helpers

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

// Intruder joins the tailnet by a key of its own, as a node of another cluster can, and calls
// itself as it likes.
func (w *World) Intruder(t *testing.T, hostname, tag string) tailnetsim.Device {
	t.Helper()
	g := NewWithT(t)
	c, err := w.Clients.TailnetClient(t.Context(), w.Tailnet)
	g.Expect(err).NotTo(HaveOccurred())
	key, err := c.CreateKey(t.Context(), tailnet.KeySpec{Tags: []string{tag}})
	g.Expect(err).NotTo(HaveOccurred())
	device, err := w.Control.Register(key.Secret.Reveal(), hostname)
	g.Expect(err).NotTo(HaveOccurred())
	return device
}

// Successor is a person's device that gets the number of one of ours from a server that is restored
// from a backup of before that, an hour after the device of the number joined.
func (w *World) Successor(t *testing.T, number, hostname string, routes ...netip.Prefix) tailnetsim.Device {
	t.Helper()
	var known []string
	for _, neighbour := range w.Control.Neighbours() {
		known = append(known, neighbour.ID)
	}
	lost, _ := w.Device(number)
	w.Control.Restore(known...)
	device := w.Control.Add(hostname, func(d *tailnetsim.Device) {
		d.Created, d.User, d.Advertised, d.Enabled = lost.Created.Add(time.Hour), "ana", routes, slices.Clone(routes)
	})
	NewWithT(t).Expect(device.ID).To(Equal(number))
	return device
}

// Device is what the tailnet has under the identifier.
func (w *World) Device(id string) (device tailnetsim.Device, found bool) {
	for _, device := range w.Control.Devices() {
		if device.ID == id {
			return device, true
		}
	}
	return tailnetsim.Device{}, false
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package helpers

import (
	"testing"

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

// Device is what the tailnet has under the identifier.
func (w *World) Device(id string) (device tailnetsim.Device, found bool) {
	for _, device := range w.Control.Devices() {
		if device.ID == id {
			return device, true
		}
	}
	return tailnetsim.Device{}, false
}

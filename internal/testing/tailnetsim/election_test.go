// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetsim_test

import (
	"net/http"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

func TestTheHolderKeepsARoute(t *testing.T) {
	eachRelease(t, func(t *testing.T, w *world) {
		g := NewWithT(t)
		address := vip.String()
		first, second := w.v1Join("cp6", address), w.v1Join("cp7", address)
		w.approve(first.ID, address)
		w.approve(second.ID, address)
		g.Expect(w.serving()).To(Equal([]string{"1: " + address}))

		g.Expect(w.Advertise(first.ID)).To(Succeed())
		g.Expect(w.serving()).To(Equal([]string{"2: " + address}), "withdrawn")
		g.Expect(w.Advertise(first.ID, vip)).To(Succeed())
		g.Expect(w.serving()).To(Equal([]string{"2: " + address}), "announced again")

		g.Expect(w.SetOnline(second.ID, false)).To(Succeed())
		g.Expect(w.serving()).To(Equal([]string{"1: " + address}), "cut off")
		g.Expect(w.SetOnline(second.ID, true)).To(Succeed())
		w.Restart()
		g.Expect(w.serving()).To(Equal([]string{"1: " + address}))
		status, _ := w.call("DELETE", "/node/1", "", nil)
		g.Expect(status).To(Equal(http.StatusOK))
		g.Expect(w.serving()).To(Equal([]string{"2: " + address}), "deleted")
	})
}

func TestOnlyProbesNoticeAHolderThatHangs(t *testing.T) {
	for mode, noticed := range map[tailnetsim.Mode]bool{tailnetsim.Headscale029: true, tailnetsim.Headscale028: false} {
		t.Run(string(mode), func(t *testing.T) {
			g := NewWithT(t)
			w := newWorld(t, tailnetsim.Options{Mode: mode})
			pass := func(seconds int) { w.now = w.now.Add(time.Duration(seconds) * time.Second) }
			address := vip.String()
			first, second := w.v1Join("cp6", address), w.v1Join("cp7", address)
			w.approve(first.ID, address)
			w.approve(second.ID, address)
			pass(34)
			g.Expect(w.SetHung(first.ID, true)).To(Succeed())

			pass(10)
			g.Expect(w.serving()).To(Equal([]string{"1: " + address}), "asked, and its time is not over")
			pass(1)
			holder := "1: " + address
			if noticed {
				holder = "2: " + address
			}
			g.Expect(w.serving()).To(Equal([]string{holder}))
			g.Expect(w.nodes()).To(HaveEach(HaveField("Online", true)))

			pass(120)
			g.Expect(w.SetHung(second.ID, true)).To(Succeed())
			pass(120)
			g.Expect(w.serving()).To(Equal([]string{holder}), "nobody answers")
			g.Expect(w.SetHung(first.ID, false)).To(Succeed())
			pass(20)
			g.Expect(w.serving()).To(Equal([]string{"1: " + address}))
		})
	}
}

func TestSilenceOfAFreshSessionSaysNothing(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, tailnetsim.Options{Mode: tailnetsim.Headscale029})
	address := vip.String()
	first, second := w.v1Join("cp6", address), w.v1Join("cp7", address)
	w.approve(first.ID, address)
	w.approve(second.ID, address)
	g.Expect(w.SetHung(first.ID, true)).To(Succeed())

	w.now = w.now.Add(15 * time.Second)
	g.Expect(w.serving()).To(Equal([]string{"1: " + address}), "after the first cycle")
	w.now = w.now.Add(10 * time.Second)
	g.Expect(w.serving()).To(Equal([]string{"2: " + address}), "after the second")
}

func TestARestoredServerGivesNumbersOutAgain(t *testing.T) {
	eachRelease(t, func(t *testing.T, w *world) {
		g := NewWithT(t)
		address := vip.String()
		first, lost := w.v1Join("cp6", address), w.v1Join("cp7", address)
		w.approve(first.ID, address)

		w.Restore(first.ID)

		g.Expect(w.serving()).To(Equal([]string{"1: " + address}), "what the backup has is as it was")
		g.Expect(w.v1Join("laptop").ID).To(Equal(lost.ID))
		w.Restore()
		g.Expect(w.Devices()).To(BeEmpty())
		g.Expect(w.v1Join("phone").ID).To(Equal(first.ID))
	})
}

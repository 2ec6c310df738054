// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

func TestAKeyIsAStrayIfItWasMadeForNoObject(t *testing.T) {
	for name, world := range map[string]struct {
		description func(w *fixture) string
		make        func(t *testing.T, w *fixture)
		want        string
	}{
		"its machine is there": {
			description: func(w *fixture) string { return "capom " + w.uid() },
			make: func(t *testing.T, w *fixture) {
				w.machine(t, w.cluster(t, w.Tailnet.Name, false), "worker", w.uid(), "")
			}, want: present,
		},
		"its machine is there, by its digest": {
			description: func(w *fixture) string { return "capom " + ownership.Machine(w.uid(), w.Namespace, "worker").Digest() },
			make: func(t *testing.T, w *fixture) {
				w.machine(t, w.cluster(t, w.Tailnet.Name, false), "worker", w.uid(), "")
			}, want: present,
		},
		"a machine elsewhere has the identity, and not the digest": {
			description: func(w *fixture) string { return "capom " + ownership.Machine(w.uid(), "another", "worker").Digest() },
			make: func(t *testing.T, w *fixture) {
				w.machine(t, w.cluster(t, w.Tailnet.Name, false), "worker", w.uid(), "")
			}, want: stray,
		},
		"its pool is there": {
			description: func(w *fixture) string { return "capom pool " + w.uid() }, make: func(t *testing.T, w *fixture) { w.pool(t, w.uid()) }, want: present,
		},
		"its pool is there, by its digest": {
			description: func(w *fixture) string {
				return "capom " + ownership.MachinePool(w.uid(), w.Namespace, "pool").Digest()
			},
			make: func(t *testing.T, w *fixture) { w.pool(t, w.uid()) }, want: present,
		},
		"its machine is gone":           {description: func(w *fixture) string { return "capom " + w.uid() }, want: stray},
		"its pool is gone":              {description: func(w *fixture) string { return "capom pool " + w.uid() }, want: stray},
		"it is somebody else's":         {description: func(*fixture) string { return "the printer in the hall" }, want: present},
		"it begins like a word of ours": {description: func(*fixture) string { return "capomat" }, want: present},
	} {
		t.Run(name, func(t *testing.T) {
			w := newFixture(t)
			w.r.Options.CheckInterval = time.Nanosecond
			w.key(t, helpers.NodeTag, world.description(w))
			if world.make != nil {
				world.make(t, w)
			}

			w.look(t)

			count := 0
			if world.want == stray {
				count = 1
			}
			w.expect(t, world.want, 0, count)
			NewWithT(t).Expect(w.Control.Leftovers().Keys).To(HaveLen(1), "nothing is revoked")
		})
	}
}

// uid is another one in each world: an identity alone, as older descriptions have it, is found in
// any namespace.
func (w *fixture) uid() string { return "uid-" + w.Namespace }

func (w *fixture) pool(t *testing.T, identity string) {
	t.Helper()
	w.Create(t, helpers.NewOCIMeshMachinePool(w.Namespace, "pool", w.Accounts[0].Name, identity))
}

func TestKeysStayAsTheyAreWhileTheyCannotBeListed(t *testing.T) {
	g := NewWithT(t)
	w := newFixture(t)
	w.r.Options.CheckInterval = time.Nanosecond
	w.key(t, helpers.NodeTag, "capom "+w.uid())
	w.look(t)
	w.expect(t, stray, 0, 1)

	w.Control.Inject(tailnetsim.Fault{Operation: tailnetsim.OpListKeys, Status: 503, Times: 100})
	w.r.Clients = access.New(access.Options{Client: env.Client})
	reconciled(t, w.r, w.Tailnet)

	w.expect(t, stray, 0, 1)
	g.Expect(w.Tailnet.Status.Strays.Keys[0].Description).To(Equal("capom " + w.uid()))
}

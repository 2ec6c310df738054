// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

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

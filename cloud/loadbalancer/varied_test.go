// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package loadbalancer

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/varied"
)

func TestTheLifeOfALoadBalancerWhateverOCIAnswers(t *testing.T) {
	forBoth(t, func(t *testing.T, kind infrav1.EndpointType) {
		varied.Run(t, 3, func(t *testing.T, seed uint64) {
			b := newBench(t, kind, func(options *sim.Options) { options.Seed, options.PageSize = seed, 3 })
			state := b.ready()
			b.joined(backend("10.0.0.5"))
			b.joined(backend("10.0.0.6"))
			b.left(backend("10.0.0.5"))
			b.g.Expect(b.ready().Backends).To(HaveLen(1))

			// In the middle of a change.
			_, err := b.Join(t.Context(), owner, state.ID, backend("10.0.0.7"), "")
			b.g.Expect(err).NotTo(HaveOccurred())
			going := false
			b.g.Eventually(func(g Gomega) bool {
				removal, err := b.Remove(t.Context(), owner, state.ID, going)
				g.Expect(err).NotTo(HaveOccurred())
				going = !going
				if removal.InUse != "" {
					t.Errorf("a change that passes is no lasting reason: %s", removal.InUse)
				}
				return removal.Gone
			}, patience, time.Millisecond).Should(BeTrue())
			b.g.Expect(b.balancers()).To(BeEmpty())
		})
	})
}

func TestWhatMayNotBeCreatedIsNoChangeToWaitFor(t *testing.T) {
	forBoth(t, func(t *testing.T, kind infrav1.EndpointType) {
		b := newBench(t, kind)
		state := b.ready()
		b.fault("add", sim.Fault{
			Status: 409, Code: "NotAuthorizedOrResourceAlreadyExists", Message: "Authorization failed or requested resource already exists.", Times: -1,
		})
		membership, err := b.Join(t.Context(), owner, state.ID, backend("10.0.0.5"), "")
		b.g.Expect(cloud.KindOf(err)).To(Equal(cloud.ExistsOrUnauthorized))
		b.g.Expect(membership.Doing).NotTo(ContainSubstring("another change"))
		b.g.Expect(cloud.UserMessage(err)).To(And(ContainSubstring("policies"), ContainSubstring("exists already")))
	})
}

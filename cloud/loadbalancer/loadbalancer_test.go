// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package loadbalancer

import (
	"net/netip"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

func TestALoadBalancerIsMadeOnceAndRemoved(t *testing.T) {
	forBoth(t, func(t *testing.T, kind infrav1.EndpointType) {
		b := newBench(t, kind)
		state := b.ready()

		b.g.Expect(state.Address.IsValid()).To(BeTrue())
		b.g.Expect(state.WorkRequestID).To(BeEmpty(), "its end was seen")
		found, err := b.Get(t.Context(), state.ID)
		b.g.Expect(err).NotTo(HaveOccurred())
		b.g.Expect(found.Private).To(BeFalse())
		b.g.Expect(found.Tags).To(Equal(map[string]string{infrav1.ClusterUIDTag: "uid-1", infrav1.ClusterNameTag: "ns/c1"}))
		b.g.Expect(found.Listeners).To(Equal(map[string]oci.Listener{"api-server": {Port: 6443, Protocol: "TCP", BackendSet: "control-planes"}}))

		b.sim.ResetCalls()
		b.g.Expect(b.ready()).To(Equal(state))
		b.g.Expect(b.sim.Calls()).To(HaveLen(1), "one look")
		b.known = Known{}
		b.g.Expect(b.ready().ID).To(Equal(state.ID), "it is found again by its tag")
		b.gone(state.ID)
	})
}

func TestANetworkLoadBalancerChecksReadinessAndLetsAControlPlaneReachItself(t *testing.T) {
	b := newBench(t, infrav1.EndpointNetworkLoadBalancer)
	found, err := b.Get(t.Context(), b.ready().ID)
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(found.BackendSets).To(Equal(map[string]oci.BackendSet{"control-planes": {
		Policy: "FIVE_TUPLE", PreserveSource: false, FailOpen: true,
		Health: oci.HealthCheck{
			Protocol: "HTTPS", Port: 6443, Path: "/readyz", ReturnCode: 200, Interval: 10 * time.Second, Timeout: 3 * time.Second, Retries: 3,
		},
	}}))
}

func TestAPrivateLoadBalancerHasAnAddressOfItsSubnet(t *testing.T) {
	forBoth(t, func(t *testing.T, kind infrav1.EndpointType) {
		b := newBench(t, kind)
		b.spec.Private = true
		b.g.Expect(netip.MustParsePrefix("10.0.0.0/24").Contains(b.ready().Address)).To(BeTrue())
	})
}

func TestACreationWhoseAnswerIsLostIsNotRepeated(t *testing.T) {
	forBoth(t, func(t *testing.T, kind infrav1.EndpointType) {
		b := newBench(t, kind, func(o *sim.Options) { o.Delays.ListLag = 200 * time.Millisecond })
		b.fault("create", sim.Fault{AfterCommit: true, Reset: true})
		_, err := b.ensure()
		b.g.Expect(cloud.IsKind(err, cloud.Unavailable)).To(BeTrue())

		b.ready()

		b.g.Expect(b.balancers()).To(HaveLen(1))
		b.g.Expect(b.calls("create")).To(BeNumerically(">=", 2), "lists lag: the retry token has to do")
	})
}

func TestAFailedCreationIsToldOfTakenAwayAndTriedAgain(t *testing.T) {
	forBoth(t, func(t *testing.T, kind infrav1.EndpointType) {
		b := newBench(t, kind)
		b.fault("create", sim.Fault{WorkRequestFails: true, Code: "InternalError", Message: "No host for the load balancer."})
		var failure *cloud.Error
		b.g.Eventually(func(g Gomega) bool {
			state, err := b.ensure()
			g.Expect(err).NotTo(HaveOccurred())
			failure = state.Failure
			return failure != nil
		}, patience, time.Millisecond).Should(BeTrue())
		b.g.Expect(failure.Message).To(Equal("No host for the load balancer."))

		state := b.ready()

		b.g.Expect(state.Attempt).To(BeEquivalentTo(1))
		b.g.Expect(b.balancers()).To(Equal([]string{state.ID}))
	})
}

func TestWhatWasChangedIsMended(t *testing.T) {
	forBoth(t, func(t *testing.T, kind infrav1.EndpointType) {
		for name, spoil := range map[string]func(*bench, string) (string, error){
			"the listener's port": func(b *bench, id string) (string, error) {
				return b.UpdateListener(b.t.Context(), ownership.Recorded(id), listenerName, oci.Listener{Port: 443, Protocol: "TCP", BackendSet: setName})
			},
			"the health check": func(b *bench, id string) (string, error) {
				set := backendSet(b.kind, b.spec)
				set.Health = oci.HealthCheck{Protocol: "TCP", Port: 22, Interval: time.Minute, Timeout: time.Second, Retries: 1}
				set.Backends = []oci.Backend{backend("10.0.0.9")}
				return b.UpdateBackendSet(b.t.Context(), ownership.Recorded(id), setName, set)
			},
			"the security groups": func(b *bench, id string) (string, error) {
				return b.UpdateSecurityGroups(b.t.Context(), ownership.Recorded(id), nil)
			},
		} {
			t.Run(name, func(t *testing.T) {
				b := newBench(t, kind)
				b.spec.NSGIDs = []string{b.group()}
				id := b.ready().ID
				b.joined(backend("10.0.0.9"))
				before := b.seen(id)
				_, err := spoil(b, id)
				b.g.Expect(err).NotTo(HaveOccurred())
				b.g.Eventually(func() oci.Balancer { return b.seen(id) }, patience, time.Millisecond).ShouldNot(Equal(before))

				b.ready()

				b.g.Expect(b.seen(id)).To(Equal(before))
			})
		}
	})
}

func (b *bench) seen(id string) oci.Balancer {
	found, err := b.Get(b.t.Context(), id)
	b.g.Expect(err).NotTo(HaveOccurred())
	found.State = ""
	return found
}

func TestTheBandwidthIsChangedInPlace(t *testing.T) {
	b := newBench(t, infrav1.EndpointLoadBalancer)
	id := b.ready().ID
	b.spec.Bandwidth = oci.Bandwidth{Minimum: 20, Maximum: 50}
	b.ready()
	b.g.Expect(b.seen(id).Bandwidth).To(Equal(b.spec.Bandwidth))
}

func TestALostLoadBalancerIsMadeAgainOnlyForTheSameAddress(t *testing.T) {
	for name, world := range map[string]struct {
		kind    infrav1.EndpointType
		private bool
		lost    bool
	}{
		"public, by OCI's choice":    {infrav1.EndpointNetworkLoadBalancer, false, true},
		"private":                    {infrav1.EndpointNetworkLoadBalancer, true, false},
		"classic, public":            {infrav1.EndpointLoadBalancer, false, true},
		"classic, of OCI's choosing": {infrav1.EndpointLoadBalancer, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, world.kind)
			b.spec.Private = world.private
			first := b.ready()
			b.spec.Address = first.Address
			b.gone(first.ID)

			var last State
			b.g.Eventually(func(g Gomega) bool {
				var err error
				last, err = b.ensure()
				g.Expect(err).NotTo(HaveOccurred())
				return last.Ready || last.Lost
			}, patience, time.Millisecond).Should(BeTrue())

			b.g.Expect(last.Lost).To(Equal(world.lost))
			if !world.lost {
				b.g.Expect(last.Address).To(Equal(first.Address))
				b.g.Expect(last.ID).NotTo(Equal(first.ID))
			}
		})
	}
}

func TestALoadBalancerThatLostItsTagIsLeftAlone(t *testing.T) {
	b := newBench(t, infrav1.EndpointNetworkLoadBalancer)
	b.ready()
	stranger := ownership.Cluster("uid-2", "ns", "c2")

	_, err := b.Ensure(t.Context(), stranger, b.spec, b.known)

	b.g.Expect(err).To(MatchError(ContainSubstring("put the tags back")))
	removal, err := b.Remove(t.Context(), stranger, b.known.ID, false)
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(removal).To(Equal(Removal{Gone: true, Untagged: true}), "it has nothing")
	b.g.Expect(b.balancers()).To(HaveLen(1))
}

func TestMachinesComeAndGoOneChangeAtATime(t *testing.T) {
	forBoth(t, func(t *testing.T, kind infrav1.EndpointType) {
		b := newBench(t, kind)
		b.ready()
		one, two := backend("10.0.0.8"), backend("10.0.0.9")
		b.joined(one)
		b.joined(two)
		state := b.ready()
		b.g.Expect(state.Backends).To(HaveLen(2))
		b.g.Expect(Has(state.Backends, one)).To(BeTrue())
		b.joined(one)
		b.g.Expect(b.calls("add")).To(BeNumerically("<=", 2+b.calls("get")), "who is in is not added again")

		b.left(one)

		b.g.Expect(Has(b.ready().Backends, one)).To(BeFalse())
		b.g.Expect(Has(b.ready().Backends, two)).To(BeTrue())
		b.left(one)
		b.gone(b.known.ID)
		b.left(two)
	})
}

func TestAFailedRegistrationIsToldOf(t *testing.T) {
	forBoth(t, func(t *testing.T, kind infrav1.EndpointType) {
		b := newBench(t, kind)
		b.ready()
		b.fault("add", sim.Fault{WorkRequestFails: true, Code: "InternalError", Message: "Not today."})
		work := ""
		var failure *cloud.Error
		b.g.Eventually(func(g Gomega) bool {
			membership, err := b.Join(t.Context(), owner, b.known.ID, backend("10.0.0.9"), work)
			g.Expect(err).NotTo(HaveOccurred())
			work, failure = membership.WorkRequestID, membership.Failure
			return failure != nil
		}, patience, time.Millisecond).Should(BeTrue())
		b.g.Expect(failure.Message).To(Equal("Not today."))
		b.joined(backend("10.0.0.9"))
	})
}

// Whether a list shows it, misses it or comes before its end: it is gone by a list after a 404.
func TestOneLookBeginsARemovalAndAListAfterA404EndsIt(t *testing.T) {
	forBoth(t, func(t *testing.T, kind infrav1.EndpointType) {
		b := newBench(t, kind, exactly)
		id := b.ready().ID
		b.g.Eventually(func() ([]oci.Balancer, error) { return b.List(t.Context(), owner.Tags()) }, patience, time.Millisecond).Should(HaveLen(1))
		b.sim.ResetCalls()

		removal, err := b.Remove(t.Context(), owner, id, false)
		b.g.Expect(err).NotTo(HaveOccurred())
		b.g.Expect(removal.Gone).To(BeFalse())
		b.g.Expect(b.sim.Calls()).To(HaveLen(2), "the list, and the deletion")
		b.gone(id)

		b.sim.ResetCalls()
		for _, going := range []bool{false, true} {
			removal, err = b.Remove(t.Context(), owner, id, going)
			b.g.Expect(err).NotTo(HaveOccurred())
			b.g.Expect(removal.Gone).To(BeTrue())
			calls := b.sim.Calls()
			b.g.Expect(calls[len(calls)-2].Operation).To(HavePrefix("Get"))
			b.g.Expect(calls[len(calls)-1].Operation).To(HavePrefix("List"))
		}
	})
}

func TestALoadBalancerThatAListMissesIsRemoved(t *testing.T) {
	forBoth(t, func(t *testing.T, kind infrav1.EndpointType) {
		b := newBench(t, kind, exactly, func(o *sim.Options) { o.Delays.ListLag = time.Hour })
		id := b.ready().ID

		b.gone(id)
	})
}

// The permission for load balancers is one of its own: what may list instances and networks may not
// see load balancers for that.
func TestNothingIsProvenGoneWithoutPermission(t *testing.T) {
	for name, operations := range map[string][]string{
		"for anything": {"everything"}, "for load balancers": {"get", "list"},
	} {
		t.Run(name, func(t *testing.T) {
			forBoth(t, func(t *testing.T, kind infrav1.EndpointType) {
				b := newBench(t, kind)
				id := b.ready().ID
				for _, operation := range operations {
					b.fault(operation, sim.Fault{Status: 404, Code: "NotAuthorizedOrNotFound", Times: -1})
				}

				for _, going := range []bool{false, true} {
					_, err := b.Remove(t.Context(), owner, id, going)
					b.g.Expect(cloud.IsKind(err, cloud.NotFoundOrUnauthorized)).To(BeTrue())
				}
				_, err := b.Leave(t.Context(), owner, id, backend("10.0.0.9"))
				b.g.Expect(cloud.IsKind(err, cloud.NotFoundOrUnauthorized)).To(BeTrue())
				_, err = b.Join(t.Context(), owner, id, backend("10.0.0.9"), "")
				b.g.Expect(cloud.IsKind(err, cloud.NotFoundOrUnauthorized)).To(BeTrue())
				_, err = b.Ensure(t.Context(), owner, b.spec, b.known)
				b.g.Expect(cloud.IsKind(err, cloud.NotFoundOrUnauthorized)).To(BeTrue())
				b.g.Expect(b.calls("create")).To(Equal(1))
			})
		})
	}
}

func TestWhatOneAnswerDeniesAndTheListShowsIsThere(t *testing.T) {
	forBoth(t, func(t *testing.T, kind infrav1.EndpointType) {
		b := newBench(t, kind, exactly)
		b.ready()
		b.joined(backend("10.0.0.9"))
		state := b.ready()
		b.spec.Address = state.Address
		once := sim.Fault{Status: 404, Code: "NotAuthorizedOrNotFound"}

		b.fault("get", once)
		again, err := b.ensure()
		b.g.Expect(err).NotTo(HaveOccurred())
		b.g.Expect(again).To(Equal(state), "neither lost nor made again")

		b.fault("get", once)
		out, err := b.Leave(t.Context(), owner, state.ID, backend("10.0.0.9"))
		b.g.Expect(err).NotTo(HaveOccurred())
		b.g.Expect(out).To(BeFalse(), "it is still a backend")
		b.left(backend("10.0.0.9"))
		b.g.Expect(b.ready().Backends).To(BeEmpty())
	})
}

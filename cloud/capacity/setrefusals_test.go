// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package capacity

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

func TestOneMachineOfASetTriesAPlaceAgain(t *testing.T) {
	g := NewWithT(t)
	var known SetRefusals
	set, start := Set{Namespace: "ns", Owner: "MachineDeployment workers"}, time.Now()
	refusal := func(ad string) infrav1.Shortage {
		return infrav1.Shortage{
			Account: "alice", AvailabilityDomain: ad, Shape: "A1", Message: "no", Count: 1, Until: metav1.NewTime(start.Add(5 * time.Minute)),
		}
	}
	spec := int64(1)
	of := func(name string, after time.Duration) []infrav1.Shortage {
		return known.For(set, name, start.Add(after), func(string) int64 { return spec })
	}
	known.Forget(set, Place{Account: "alice"})
	g.Expect(of("a", 0)).To(BeEmpty(), "nobody was told anything")
	for range 10 {
		known.Record(set, refusal("AD-1"), spec, start, Policy{})
	}
	known.Record(set, refusal("AD-2"), spec, start, Policy{})

	g.Expect(of("a", time.Minute)).To(HaveLen(2))
	g.Expect(of("a", 5*time.Minute)).To(BeEmpty(), "the first to ask tries again")
	g.Expect(of("b", 6*time.Minute)).To(HaveLen(2), "and the others wait")
	g.Expect(of("b", 6*time.Minute)[0].Until.Time).To(Equal(start.Add(5*time.Minute + ProbeTime)))
	g.Expect(of("a", 6*time.Minute)).To(BeEmpty())
	g.Expect(of("b", 9*time.Minute)).To(BeEmpty(), "not for ever")

	known.Record(set, refusal("AD-1"), spec, start.Add(9*time.Minute), Policy{})
	again := of("c", 10*time.Minute)
	g.Expect(again).To(HaveLen(2))
	g.Expect(again).To(ContainElement(HaveField("Count", BeEquivalentTo(2))), "ten at once were one")
	g.Expect(again).To(ContainElement(HaveField("Until.Time", start.Add(19*time.Minute))))

	known.Forget(set, Place{Account: "alice", AvailabilityDomain: "AD-2", FaultDomain: "FD-1", Shape: "A1"})
	g.Expect(of("c", 10*time.Minute)).To(HaveLen(1))
	spec = 2
	g.Expect(of("c", 10*time.Minute)).To(BeEmpty(), "another spec of the account is asked at once")
	known.Record(Set{Namespace: "other"}, refusal("AD-1"), spec, start.Add(2*time.Hour), Policy{})
	g.Expect(known.sets).NotTo(HaveKey(set), "nothing stays for ever")
}

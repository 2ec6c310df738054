// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package circuit_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/circuit"
)

const cooldown = 10 * time.Second

var start = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// opened is a circuit opened at start.
func opened() *circuit.Circuit {
	c := circuit.New(3, cooldown)
	for range 3 {
		c.Failed(start, "broken")
	}
	return c
}

func TestItOpensAfterFailuresInARow(t *testing.T) {
	g := NewWithT(t)
	c := circuit.New(3, cooldown)
	for _, fails := range []bool{true, true, false, true, true} {
		g.Expect(c.Admit(start)).To(BeNil())
		if fails {
			c.Failed(start, "broken")
		} else {
			c.Answered()
		}
	}
	g.Expect(c.State(start)).To(BeEquivalentTo(circuit.Closed))

	c.Failed(start, "broken")

	g.Expect(c.State(start)).To(BeEquivalentTo(circuit.Open))
	refusal := c.Admit(start.Add(time.Second))
	g.Expect(refusal.Kind).To(Equal(cloud.Unavailable))
	g.Expect(refusal.NotSent).To(BeTrue())
	g.Expect(refusal.RetryAfter).To(Equal(9 * time.Second))
	g.Expect(refusal.Message).To(ContainSubstring("broken"))
}

func TestOneAtATimeTriesWhenItsTimeHasCome(t *testing.T) {
	g := NewWithT(t)
	c, now := opened(), start.Add(cooldown)

	g.Expect(c.State(now)).To(BeEquivalentTo(circuit.HalfOpen))
	g.Expect(c.Admit(now)).To(BeNil())
	g.Expect(c.Admit(now)).NotTo(BeNil(), "another one tries")
	c.Back()
	g.Expect(c.Admit(now)).To(BeNil(), "that one has not tried")
	c.Answered()
	g.Expect(c.State(now)).To(BeEquivalentTo(circuit.Closed))
	g.Expect(c.Admit(now)).To(BeNil())
}

func TestTriesComeLaterAndLaterUpToAMinute(t *testing.T) {
	g := NewWithT(t)
	c, now := opened(), start
	var waits []time.Duration
	for range 5 {
		wait := c.Admit(now).RetryAfter
		waits, now = append(waits, wait), now.Add(wait)
		g.Expect(c.Admit(now)).To(BeNil())
		c.Failed(now, "broken")
	}
	g.Expect(waits).To(Equal([]time.Duration{10 * time.Second, 20 * time.Second, 40 * time.Second, time.Minute, time.Minute}))
}

func TestWhatWasUnderWayWhenItOpenedSaysNothingNew(t *testing.T) {
	g := NewWithT(t)
	c := opened()

	c.Failed(start.Add(time.Second), "broken")

	g.Expect(c.Admit(start.Add(time.Second)).RetryAfter).To(Equal(9 * time.Second))
}

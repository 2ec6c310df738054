// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// Whoever asks for more than there is pays nothing, and must not have the others wait.
func TestT1CannotKeepSmallerMachinesOutByAskingForMoreThanThereIs(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	g.Expect(b.OCI.SetLimit(b.Tenancies[0].Name, "standard-a1-core-count", 8)).To(Succeed())
	b.untilCondition(t, b.machine(t, "giant", sized(64, 256)), "Ready False NoCapacity")
	g.Expect(b.r.Pollers.Shortages(b.Accounts[0]).Known(b.now())).To(HaveLen(1))

	b.untilProvisioned(t, b.machine(t, "honest", sized(1, 6)))
	g.Expect(b.r.Pollers.Shortages(b.Accounts[0]).Known(b.now())).To(HaveLen(1), "that there is room for one says nothing about 64")
	g.Expect(b.r.Pollers.Shortages(b.Accounts[0]).Known(b.now())[0].Reason).To(Equal(string(cloud.LimitExceeded)))
	launches := b.calls("LaunchInstance")
	b.untilCondition(t, b.machine(t, "another-giant", sized(64, 256)), "Ready False NoCapacity")
	b.untilCondition(t, b.machine(t, "smaller-giant", sized(63, 256)), "Ready False NoCapacity")
	g.Expect(b.calls("LaunchInstance")).To(Equal(launches+1), "as large is known to be short, smaller is tried")

	b.sleep(6 * time.Minute)
	b.untilProvisioned(t, b.machine(t, "later", sized(1, 6)))
}

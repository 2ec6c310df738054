// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// The coordination server is away for two days, and knows no device to be online when it is back.
func TestMachinesOutliveTheCoordinationServer(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	member, worker := b.machine(t, "member", controlPlane), b.machine(t, "worker")
	b.untilProvisioned(t, member)
	b.untilProvisioned(t, worker)
	b.booter.setAsleep(true)
	joining := b.machine(t, "joining")
	b.untilCondition(t, joining, "TailnetReady False Joining")
	all := []*infrav1.OCIMeshMachine{member, worker, joining}
	before := b.instances(t)

	b.Control.SetUnreachable(true)
	for range 4 {
		for _, own := range all {
			b.untilCondition(t, own, "TailnetReady Unknown Unavailable")
			g.Expect(own.DeletionTimestamp.IsZero()).To(BeTrue())
		}
		b.sleep(12 * time.Hour)
	}

	after := b.instances(t)
	g.Expect(after).To(HaveLen(len(before)))
	for i := range before {
		g.Expect(after[i].ID).To(Equal(before[i].ID))
	}
	g.Expect(b.calls("LaunchInstance")).To(Equal(len(all)))
	g.Expect(b.calls("InstanceAction")).To(BeZero())
	g.Expect(b.calls("TerminateInstance")).To(BeZero())
	for _, own := range all[:2] {
		g.Expect(own.Status.Initialization.Provisioned).To(HaveValue(BeTrue()), "it is never taken back")
		g.Expect(own.Status.Addresses).NotTo(BeEmpty())
		g.Expect(b.Control.SetOnline(own.Status.Tailnet.DeviceID, false)).To(Succeed())
	}

	b.Control.SetUnreachable(false)
	for _, own := range all[:2] {
		b.untilCondition(t, own, "TailnetReady False DeviceOffline")
		g.Expect(b.Control.SetOnline(own.Status.Tailnet.DeviceID, true)).To(Succeed())
		b.untilProvisioned(t, own)
	}
	g.Expect(b.calls("InstanceAction") + b.calls("TerminateInstance")).To(BeZero())
	for _, own := range all {
		b.delete(t, own)
	}
	b.expectNothingLeft(t)
}

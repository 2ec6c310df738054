// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

func TestALaunchThatOCIRefusesSaysOCIsReason(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	b.OCI.AddFault(sim.Fault{Operation: "LaunchInstance", Status: 400, Code: "InvalidParameter", Message: "Boot volume is too small"})
	own := b.machine(t, "machine")
	b.untilCondition(t, own, "Ready False LaunchRefused")
	g.Expect(helpers.MessageOf(own, infrav1.ReadyCondition)).To(ContainSubstring("Boot volume is too small"))
	b.sleep(6 * time.Minute)
	b.untilProvisioned(t, own)
}

func TestAStalePlacementIsNotLaunched(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{Accounts: 2})
	own := b.machine(t, "machine")
	b.untilPlaced(t, own)
	stale := own.DeepCopy()
	own.Status.Placement.Account = b.Accounts[1].Name
	g.Expect(b.Client.Status().Update(t.Context(), own)).To(Succeed())

	s := b.scopeOf(t, stale)
	g.Expect(b.r.launcher().launch(t.Context(), s)).To(Succeed())
	g.Expect(s.Stopped()).To(BeTrue())
	g.Expect(b.calls("LaunchInstance")).To(BeZero())

	// Nor is a new decision written over an unseen one, by a process without memory of either.
	b.r = b.reconciler()
	stale.Status.Placement = infrav1.Placement{}
	s = b.scopeOf(t, stale)
	g.Expect(b.r.launcher().choose(t.Context(), s)).To(Succeed())
	g.Expect(b.r.saver().save(t.Context(), s)).To(Succeed())
	b.Reload(t, own)
	g.Expect(own.Status.Placement.Account).To(Equal(b.Accounts[1].Name))
}

func TestAStalePassThatFindsNoRoomWipesNoInstanceOut(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own := b.machine(t, "worker")
	b.untilPlaced(t, own)
	stale := own.DeepCopy()
	own.Status.Instance = infrav1.InstanceStatus{ID: "ocid1.instance.new"}
	g.Expect(b.Client.Status().Update(t.Context(), own)).To(Succeed())

	stale.Status.Instance.ID = "ocid1.instance.old"
	s := b.scopeOf(t, stale)
	b.r.Scheduler = b.scheduler(b.Client, b.r.Options)
	b.OCI.AddFault(sim.Fault{Operation: "ListImages", Status: 503, Code: "ServiceUnavailable"})
	g.Expect(b.r.launcher().short(t.Context(), s, &cloud.Error{Kind: cloud.OutOfCapacity})).NotTo(Succeed())
	g.Expect(s.exclusive).To(BeTrue())
	g.Expect(b.r.saver().save(t.Context(), s)).To(Succeed())
	b.Reload(t, own)
	g.Expect(own.Status.Instance.ID).To(Equal("ocid1.instance.new"))
}

func TestALaunchThatFailsAfterItWasAcceptedCountsAsAShortage(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	b.OCI.AddFault(sim.Fault{
		Operation: "LaunchInstance", WorkRequestFails: true, Code: "InternalError", Message: "Out of host capacity.",
	})
	own := b.machine(t, "worker")
	b.untilProvisioned(t, own)

	g.Expect(own.Status.Shortages).To(HaveLen(1))
	g.Expect(own.Status.Placement.FaultDomain).To(Equal("FAULT-DOMAIN-2"))
	g.Expect(b.instances(t)).To(HaveLen(1))
	b.delete(t, own)
	b.expectNothingLeft(t)
}

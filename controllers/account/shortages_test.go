// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/client-go/tools/events"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/capacity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/poller"
)

func TestShortagesAreWrittenDownToldAndEnd(t *testing.T) {
	g := NewWithT(t)
	w, r, account := newStocked(t)
	recorder := events.NewFakeRecorder(100)
	r.Recorder = recorder
	r.Options.Intervals.Poll = instant
	at := capacity.Place{Account: account.Name, AvailabilityDomain: w.Tenancies[0].AvailabilityDomains()[0], FaultDomain: "FAULT-DOMAIN-1", Shape: arm}
	reconciled(t, r, account)
	for len(recorder.Events) > 0 {
		<-recorder.Events
	}
	w.OCI.ResetCalls()

	r.Pollers.Shortages(account).Record(at, capacity.Size{OCPUs: 1, MemoryGB: 6}, cloud.LimitExceeded, time.Now())
	reconciled(t, r, account)

	g.Expect(account.Status.Shortages).To(HaveLen(1))
	g.Expect(account.Status.Summary.Short).To(HavePrefix("A1 LimitExceeded until "))
	g.Expect(<-recorder.Events).To(And(ContainSubstring("CapacityShortage"), ContainSubstring("left out until")))
	g.Expect(w.OCI.CallCounts("")["ListLimitValues"]).NotTo(BeZero(), "the limits are read without delay")

	g.Expect(r.Pollers.Shortages(account).Found(at, capacity.Size{OCPUs: 1, MemoryGB: 6})).To(BeTrue())
	reconciled(t, r, account)
	g.Expect(account.Status.Shortages).To(BeEmpty())
	g.Expect(<-recorder.Events).To(ContainSubstring("CapacityReturned"))
}

// Managers of different namespaces share accounts, and each write of the one wakes the other.
func TestTwoManagersOfAnAccountDoNotWriteOverEachOthersShortages(t *testing.T) {
	g := NewWithT(t)
	w, finder, account := newStocked(t)
	recorder := events.NewFakeRecorder(100)
	other := &Reconciler{Client: env.Client, Clients: w.Clients, Pollers: poller.New(env.Client, w.Clients, poller.Options{}), Recorder: recorder, Options: finder.Options}
	reconciled(t, finder, account)
	reconciled(t, other, account)
	for len(recorder.Events) > 0 {
		<-recorder.Events
	}
	at := capacity.Place{Account: account.Name, AvailabilityDomain: w.Tenancies[0].AvailabilityDomains()[0], FaultDomain: "FAULT-DOMAIN-1", Shape: arm}
	size := capacity.Size{OCPUs: 1, MemoryGB: 6}
	for _, step := range []struct {
		name    string
		happens func()
		left    int
	}{
		{"one finds no room", func() { finder.Pollers.Shortages(account).Record(at, size, cloud.OutOfCapacity, time.Now()) }, 1},
		{"the other finds room", func() { other.Pollers.Shortages(account).Found(at, size) }, 0},
	} {
		step.happens()
		reconciled(t, finder, account)
		reconciled(t, other, account)
		version := account.ResourceVersion
		for range 3 {
			reconciled(t, finder, account)
			reconciled(t, other, account)
		}
		g.Expect(account.Status.Shortages).To(HaveLen(step.left), step.name)
		g.Expect(account.ResourceVersion).To(Equal(version), step.name)
	}
	g.Expect(recorder.Events).To(HaveLen(1), "it tells of what it has found itself")
}

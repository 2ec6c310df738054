// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/capacity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

func TestWithoutThePermissionLimitsAreUnknownAndNothingElse(t *testing.T) {
	g := NewWithT(t)
	w, r := newPolled(t, helpers.WorldOptions{})
	r.Options = Options{Intervals: phases.Intervals{Progress: instant}, LimitsInterval: instant}
	account := w.Accounts[0]
	helpers.Update(t, w.Environment, account, func(a *infrav1.OCIAccount) { a.Spec.Budget.AlwaysFree = ptr.To(true) })
	w.OCI.AddFault(sim.Fault{Operation: "ListLimitValues", Status: 404, Code: "NotAuthorizedOrNotFound", Times: -1})

	reconciled(t, r, account)

	helpers.ExpectConditions(t, account, "Ready True Ready", "CredentialsValid True Ready", "CompartmentAccessible True Ready",
		"StraysAbsent Unknown Waiting", "Deleting False NotDeleting")
	g.Expect(account.Status.Limits).To(BeEmpty())
	g.Expect(account.Status.LimitsMessage).To(ContainSubstring("to read resource-availability in tenancy"))

	w.OCI.ClearFaults()
	reconciled(t, r, account)
	g.Expect(account.Status.LimitsMessage).To(BeEmpty())
	g.Expect(account.Status.Limits).NotTo(BeEmpty())
}

func TestLimitsAreReadWhenTheyAreOldForWhatWaitsForThem(t *testing.T) {
	g := NewWithT(t)
	w, r, account := newStocked(t)
	reconciled(t, r, account)
	for name, world := range map[string]struct {
		// read, keptOut and refused are how long ago that was last; 0 is never.
		read, keptOut, refused time.Duration
		again                  bool
	}{
		"nobody waits":                      {read: 59 * time.Minute},
		"nobody waits, and an hour is over": {read: 61 * time.Minute, again: true},
		"they keep a machine out":           {read: 13 * time.Minute, keptOut: time.Minute, again: true},
		"they were just read":               {read: 11 * time.Minute, keptOut: time.Minute},
		"they kept a machine out once":      {read: 59 * time.Minute, keptOut: 13 * time.Minute},
		"a launch was refused since":        {read: 2 * time.Minute, refused: time.Minute, again: true},
		"a launch was refused just after":   {read: 50 * time.Second, refused: 40 * time.Second},
		"a launch was refused before":       {read: 11 * time.Minute, refused: 12 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			ago := func(d time.Duration) (at time.Time) {
				if d > 0 {
					at = time.Now().Add(-d)
				}
				return at
			}
			r.limitsRead.at = map[types.UID]time.Time{account.UID: ago(world.read)}
			r.limitsHit.at = map[types.UID]time.Time{account.UID: ago(world.refused)}
			r.Pollers.Shortages(account).Limited(ago(world.keptOut))
			w.OCI.ResetCalls()

			reconciled(t, r, account)

			g.Expect(w.OCI.CallCounts("")["ListLimitValues"] > 0).To(Equal(world.again))
		})
	}
	at := capacity.Place{Account: account.Name, AvailabilityDomain: w.Tenancies[0].AvailabilityDomains()[0], Shape: arm}
	r.limitsHit.at = nil
	r.Pollers.Shortages(account).Record(at, capacity.Size{OCPUs: 1, MemoryGB: 6}, cloud.LimitExceeded, time.Now())
	reconciled(t, r, account)
	g.Expect(r.limitsHit.last(account.UID)).NotTo(BeZero(), "it is remembered until they are read")
}

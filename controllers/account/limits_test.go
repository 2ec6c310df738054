// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
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

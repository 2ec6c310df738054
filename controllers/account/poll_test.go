// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/poller"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/ocisim/sim"
)

// newPolled is a world of one account with a poller that the test drives.
func newPolled(t *testing.T, options helpers.WorldOptions) (*helpers.World, *Reconciler) {
	t.Helper()
	options.Accounts = 1
	w := helpers.NewWorld(t, env, options)
	pollers := poller.New(env.Client, w.Clients, poller.Options{})
	return w, &Reconciler{Client: env.Client, Clients: w.Clients, Pollers: pollers}
}

func TestAPolledAccountIsNotAskedAgain(t *testing.T) {
	g := NewWithT(t)
	w, r := newPolled(t, helpers.WorldOptions{})
	account := w.Accounts[0]
	reconciled(t, r, account)
	// Owning the Secret made a new version of it, and with it a new client.
	g.Expect(r.Pollers.Poll(t.Context(), account.Name)).To(Succeed())
	w.OCI.ResetCalls()

	reconciled(t, r, account)

	helpers.ExpectConditions(t, account, "Ready True Ready", "CredentialsValid True Ready", "CompartmentAccessible True Ready",
		"StraysAbsent True Ready", "Deleting False NotDeleting")
	g.Expect(w.OCI.CallCounts("")).To(BeEmpty())
}

func TestWhatPollsEndWithIsTheAccountsState(t *testing.T) {
	w, r := newPolled(t, helpers.WorldOptions{})
	account := w.Accounts[0]
	reconciled(t, r, account)
	for name, tc := range map[string]struct {
		fault sim.Fault
		want  string
	}{
		"a revoked policy": {sim.Fault{Status: 404, Code: "NotAuthorizedOrNotFound", Times: -1}, "CompartmentAccessible False NotAuthorizedOrNotFound"},
		"a revoked key":    {sim.Fault{Status: 401, Code: "NotAuthenticated", Times: -1}, "CredentialsValid False AuthenticationFailed"},
		"an outage":        {sim.Fault{Status: 503, Code: "ServiceUnavailable", Times: -1}, "Ready False Unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w.OCI.AddFault(tc.fault)
			g.Expect(r.Pollers.Poll(t.Context(), account.Name)).To(Succeed())
			reconciled(t, r, account)
			g.Expect(helpers.ConditionsOf(account)).To(ContainElement(tc.want))

			w.OCI.ClearFaults()
			g.Expect(r.Pollers.Poll(t.Context(), account.Name)).To(Succeed())
			reconciled(t, r, account)
			g.Expect(helpers.ConditionsOf(account)).To(ContainElement("Ready True Ready"))
		})
	}
}

func TestCallsThatAreHeldBackShowInTheAccountsMessage(t *testing.T) {
	g := NewWithT(t)
	limits := oci.Unlimited()
	limits.Failures, limits.Cooldown = 3, time.Hour
	w, r := newPolled(t, helpers.WorldOptions{Limits: &limits})
	account := w.Accounts[0]
	reconciled(t, r, account)
	w.OCI.AddFault(sim.Fault{Status: 500, Code: "InternalError", Times: -1})
	w.OCI.ResetCalls()
	for range 5 {
		g.Expect(r.Pollers.Poll(t.Context(), account.Name)).To(Succeed())
	}

	reconciled(t, r, account)

	g.Expect(w.OCI.CallCounts("")).To(Equal(map[string]int{"ListInstances": 3}))
	g.Expect(helpers.ConditionsOf(account)).To(ContainElement("Ready False Unavailable"))
	g.Expect(helpers.MessageOf(account, infrav1.ReadyCondition)).To(ContainSubstring("the last 3 calls were not answered"))
}

func TestAnAccountThatIsGoneIsNotPolled(t *testing.T) {
	g := NewWithT(t)
	w, r := newPolled(t, helpers.WorldOptions{})
	account := w.Accounts[0]
	reconciled(t, r, account)
	g.Expect(w.Client.Delete(t.Context(), account)).To(Succeed())
	g.Expect(r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(account)})).Error().NotTo(HaveOccurred())
	w.ExpectGone(t, account)
	w.OCI.ResetCalls()

	g.Expect(r.Pollers.Poll(t.Context(), account.Name)).To(Succeed())

	g.Expect(w.OCI.CallCounts("")).To(BeEmpty())
}

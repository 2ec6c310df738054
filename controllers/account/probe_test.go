// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"net"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

func TestWhatACallFailsWithIsToldAndHeals(t *testing.T) {
	for name, world := range map[string]badAccount{
		"key of another tenancy": {
			spoil: func(t *testing.T, w *helpers.World) {
				helpers.Update(t, env, w.Credentials[0], func(s *corev1.Secret) {
					s.Data["key"], s.Data["fingerprint"] = w.Credentials[1].Data["key"], w.Credentials[1].Data["fingerprint"]
				})
			},
			fix:     restoreSecret,
			want:    []string{"CredentialsValid False AuthenticationFailed", "CompartmentAccessible Unknown Waiting", "Ready False AuthenticationFailed"},
			message: "credentials belong to this account",
		},
		"key revoked": {
			spoil: func(t *testing.T, w *helpers.World) {
				NewWithT(t).Expect(w.OCI.RevokeKey(w.Tenancies[0].Name, string(w.Credentials[0].Data["fingerprint"]))).To(Succeed())
			},
			fix: func(t *testing.T, w *helpers.World) {
				NewWithT(t).Expect(w.OCI.RestoreUsers(w.Tenancies[0])).To(Succeed())
			},
			want:    []string{"CredentialsValid False AuthenticationFailed", "CompartmentAccessible Unknown Waiting", "Ready False AuthenticationFailed"},
			message: "key has not been deleted",
		},
		"compartment without permission": {
			spoil: func(t *testing.T, w *helpers.World) {
				stranger, err := w.OCI.NewUser(w.Tenancies[0], w.Tenancies[0].OCID)
				NewWithT(t).Expect(err).NotTo(HaveOccurred())
				helpers.Update(t, env, w.Credentials[0], func(s *corev1.Secret) {
					s.Data = helpers.NewCredentials("", "", stranger).Data
				})
			},
			fix: restoreSecret,
			want: []string{
				"CredentialsValid True Ready", "CompartmentAccessible False NotAuthorizedOrNotFound", "Ready False NotAuthorizedOrNotFound",
			},
			message: "check the OCID and the policies",
		},
		"service unavailable": {
			spoil: func(_ *testing.T, w *helpers.World) {
				w.OCI.AddFault(sim.Fault{Operation: "ListInstances", Status: 503, Code: "ServiceUnavailable", Times: -1})
			},
			fix:     func(_ *testing.T, w *helpers.World) { w.OCI.ClearFaults() },
			want:    []string{"CredentialsValid Unknown Unavailable", "CompartmentAccessible False Unavailable", "Ready False Unavailable"},
			message: "repeated later",
		},
		"too many requests": {
			spoil: func(_ *testing.T, w *helpers.World) {
				w.OCI.AddFault(sim.Fault{Status: 429, Code: "TooManyRequests", Times: -1})
			},
			fix:     func(_ *testing.T, w *helpers.World) { w.OCI.ClearFaults() },
			want:    []string{"CredentialsValid Unknown Throttled", "CompartmentAccessible False Throttled", "Ready False Throttled"},
			message: "repeated later",
		},
	} {
		t.Run(name, world.expectToldAndHealed)
	}
}

func TestARegionThatDoesNotExistHasNoAddress(t *testing.T) {
	g := NewWithT(t)
	s := &scope{account: &infrav1.OCIAccount{}}

	err := s.classify(&cloud.Error{Kind: cloud.Unavailable, Err: &net.DNSError{IsNotFound: true}})

	g.Expect(access.AsProblem(err).Reason).To(Equal(infrav1.RegionUnknownReason))
	credentials, _ := s.Noted(infrav1.CredentialsValidCondition)
	g.Expect(credentials.Status).To(Equal(metav1.ConditionUnknown), "nobody could be asked")
}

func TestAnUnreachableEndpoint(t *testing.T) {
	w, r := newWorld(t)
	helpers.Update(t, env, w.Accounts[0], func(a *infrav1.OCIAccount) { a.Spec.Endpoint = "http://127.0.0.1:1" })

	result := reconciled(t, r, w.Accounts[0])

	helpers.ExpectConditions(t, w.Accounts[0], "Ready False Unavailable", "CredentialsValid Unknown Unavailable",
		"CompartmentAccessible False Unavailable", "StraysAbsent Unknown Waiting", "Deleting False NotDeleting")
	NewWithT(t).Expect(result.RequeueAfter).To(BeNumerically("~", 10*time.Second, 2*time.Second))
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

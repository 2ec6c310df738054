// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package account

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/report"
)

// owned are the conditions that this controller writes.
var owned = report.Types(infrav1.CredentialsValidCondition, infrav1.CompartmentAccessibleCondition, infrav1.StraysAbsentCondition,
	infrav1.DeletingCondition)

// maxUsers is the API's limit.
const maxUsers = 64

// updateStatus writes what the phases found out.
func (r *Reconciler) updateStatus(s *scope) {
	s.account.Status.Users = s.users[:min(maxUsers, len(s.users))]
	if s.domains != nil {
		s.account.Status.AvailabilityDomains = s.domains
	}
	summarize(&s.account.Status)
	// A stray keeps nothing from working: it is no part of Ready.
	r.updateStrays(s)
	report.Set(s.account,
		report.Deleting(s.account, s.waitsFor),
		s.credentialsValid(),
		s.compartmentAccessible(),
	)
}

func (s *scope) credentialsValid() metav1.Condition {
	switch {
	case s.credentials != nil:
		return report.NotOK(infrav1.CredentialsValidCondition, s.credentials.Reason, s.credentials.Message)
	case s.client == nil:
		return report.Unknown(infrav1.CredentialsValidCondition, infrav1.WaitingReason, "not looked at yet")
	case s.unavailable != nil:
		return report.Unknown(infrav1.CredentialsValidCondition, s.unavailable.Reason, s.unavailable.Message)
	case s.compartment != nil && s.compartment.Reason == infrav1.RegionUnknownReason && s.compartment.Err != nil:
		return report.Unknown(infrav1.CredentialsValidCondition, infrav1.WaitingReason, "no service was there to ask")
	}
	return report.OK(infrav1.CredentialsValidCondition)
}

func (s *scope) compartmentAccessible() metav1.Condition {
	switch {
	case s.compartment != nil:
		return report.NotOK(infrav1.CompartmentAccessibleCondition, s.compartment.Reason, s.compartment.Message)
	case s.unavailable != nil:
		return report.NotOK(infrav1.CompartmentAccessibleCondition, s.unavailable.Reason, s.unavailable.Message)
	case s.credentials != nil, s.client == nil:
		return report.Unknown(infrav1.CompartmentAccessibleCondition, infrav1.WaitingReason, "waits for valid credentials")
	}
	return report.OK(infrav1.CompartmentAccessibleCondition)
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package account

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/cluster-api/util/conditions"

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
	if s.users != nil {
		s.account.Status.Users = s.users[:min(maxUsers, len(s.users))]
	}
	if s.availabilityDomains != nil {
		s.account.Status.AvailabilityDomains = s.availabilityDomains
	}
	summarize(&s.account.Status)
	// A stray keeps nothing from working: it is no part of Ready.
	r.updateStrays(s)
	report.Set(s.account,
		report.Deleting(s.account, s.Deletion),
		s.Found(infrav1.CredentialsValidCondition, s.credentialsValid),
		s.Found(infrav1.CompartmentAccessibleCondition, s.compartmentAccessible),
	)
}

func (s *scope) credentialsValid() metav1.Condition {
	if s.client == nil {
		return s.asBefore(infrav1.CredentialsValidCondition)
	}
	return report.OK(infrav1.CredentialsValidCondition)
}

func (s *scope) compartmentAccessible() metav1.Condition {
	if _, wrong := s.Noted(infrav1.CredentialsValidCondition); wrong {
		return report.Unknown(infrav1.CompartmentAccessibleCondition, infrav1.WaitingReason, "Waiting for valid credentials")
	}
	if s.client == nil {
		return s.asBefore(infrav1.CompartmentAccessibleCondition)
	}
	return report.OK(infrav1.CompartmentAccessibleCondition)
}

// asBefore leaves a condition as it is if the pass did not get to what it is about.
func (s *scope) asBefore(condition string) metav1.Condition {
	if known := conditions.Get(s.account, condition); known != nil {
		return *known
	}
	return report.Unknown(condition, infrav1.WaitingReason, "Waiting for the first check of the account")
}

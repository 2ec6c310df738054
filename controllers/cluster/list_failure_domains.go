// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"

	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// Attributes of failure domains.
const (
	attributeAccount            = "account"
	attributeAvailabilityDomain = "availabilityDomain"
	attributeRegion             = "region"
)

// maxFailureDomains is the contract's limit.
const maxFailureDomains = 100

// listFailureDomains lists the availability domains of the ready accounts. Those of an account that
// is not ready just now stay while there are machines in them: the control plane provider would
// move machines out of a failure domain that vanishes.
func listFailureDomains(_ context.Context, s *scope) error {
	var domains []clusterv1.FailureDomain
	for _, account := range s.accounts {
		if account.ready() {
			for _, domain := range account.account.Status.AvailabilityDomains {
				domains = append(domains, failureDomain(account, domain))
			}
			continue
		}
		for _, known := range s.infra.Status.FailureDomains {
			if known.Attributes[attributeAccount] == account.name && (account.transient() || s.machinesIn(account.name) > 0) {
				known.ControlPlane = ptr.To(account.controlPlane())
				domains = append(domains, known)
			}
		}
	}
	s.infra.Status.FailureDomains = domains[:min(maxFailureDomains, len(domains))]
	return nil
}

func failureDomain(account *accountState, domain infrav1.AvailabilityDomain) clusterv1.FailureDomain {
	return clusterv1.FailureDomain{
		Name:         infrav1.FailureDomainName(account.name, domain.ShortName),
		ControlPlane: ptr.To(account.controlPlane()),
		Attributes: map[string]string{
			attributeAccount:            account.name,
			attributeAvailabilityDomain: domain.Name,
			attributeRegion:             account.account.Spec.Region,
		},
	}
}

// transient tells whether the account is not ready for a reason that passes by itself.
func (a *accountState) transient() bool {
	if a.inProgress() {
		return true
	}
	return a.usable() && a.networkProblem != nil &&
		(a.networkProblem.Reason == infrav1.UnavailableReason || a.networkProblem.Reason == infrav1.ThrottledReason)
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"slices"

	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
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
	domains = domains[:min(maxFailureDomains, len(domains))]
	s.spreadOverAccounts(domains)
	s.infra.Status.FailureDomains = domains
	return nil
}

// enoughAccounts is how many accounts it takes so that quorum outlives the loss of one.
const enoughAccounts = 3

// spreadOverAccounts leaves control planes one availability domain in each account, if there are
// enough accounts. KubeadmControlPlane picks a failure domain at random among those with the fewest
// control planes, and knows nothing of accounts: with three domains of one account and one each of
// two others it mostly puts two of three into the one account (cluster-api v1.14
// util/failuredomains, PickFewest). Domains with control planes stay: it counts only machines in
// domains that are listed.
func (s *scope) spreadOverAccounts(domains []clusterv1.FailureDomain) {
	byAccount := map[string][]*clusterv1.FailureDomain{}
	for i := range domains {
		if account := domains[i].Attributes[attributeAccount]; ptr.Deref(domains[i].ControlPlane, false) {
			byAccount[account] = append(byAccount[account], &domains[i])
		}
	}
	if len(byAccount) < enoughAccounts {
		return
	}
	inUse, before := s.domainsInUse(), s.controlPlaneDomains()
	for _, of := range byAccount {
		isInUse := func(domain *clusterv1.FailureDomain) bool { return inUse[domain.Name] }
		isBefore := func(domain *clusterv1.FailureDomain) bool { return before[domain.Name] }
		one := of[max(0, slices.IndexFunc(of, isBefore))]
		none := !slices.ContainsFunc(of, isInUse)
		for _, domain := range of {
			domain.ControlPlane = ptr.To(isInUse(domain) || (none && domain == one))
		}
	}
}

// domainsInUse are the failure domains with control planes.
func (s *scope) domainsInUse() map[string]bool {
	names := map[string]bool{}
	for i := range s.machines {
		if _, isMember := s.machines[i].Labels[clusterv1.MachineControlPlaneLabel]; isMember {
			names[s.machines[i].Status.FailureDomain] = true
		}
	}
	return names
}

// controlPlaneDomains are the failure domains that control planes were left before.
func (s *scope) controlPlaneDomains() map[string]bool {
	names := map[string]bool{}
	for _, domain := range s.infra.Status.FailureDomains {
		names[domain.Name] = ptr.Deref(domain.ControlPlane, false)
	}
	return names
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

// transient tells whether the account is not ready for a reason that passes by itself. A network of
// before that has to go first may wait for a person.
func (a *accountState) transient() bool {
	return a.inProgress() || a.usable() && !a.former && a.networkPace() == phases.Passing
}

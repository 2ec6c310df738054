// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/cluster-api/util/conditions"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/report"
)

// owned are the conditions that this controller writes.
var owned = report.Types(infrav1.AccountsReadyCondition, infrav1.NetworkReadyCondition, infrav1.TailnetReadyCondition,
	infrav1.RangesDistinctCondition, infrav1.EndpointReadyCondition, infrav1.DeletingCondition)

const (
	// maxAccountMessage, maxAccounts and maxNetworkRanges are the API's limits.
	maxAccountMessage = 1024
	maxAccounts       = 100
	maxNetworkRanges  = 32
	// maxNamedAccounts bounds how many accounts a message tells about.
	maxNamedAccounts = 5
)

// updateStatus writes what the phases found out. What they did not get to is not known; of the
// accounts it stays as it was, since machines find their subnets there.
func updateStatus(s *scope) {
	if s.accounts != nil || s.deleting() {
		var rows []infrav1.ClusterAccountStatus
		for _, account := range slices.Concat(s.accounts, s.former) {
			rows = append(rows, steady(s.infra.Status.Accounts, row(account)))
		}
		s.infra.Status.Accounts = rows[:min(maxAccounts, len(rows))]
	}
	deleting := report.Deleting(s.infra, s.Deletion)
	if s.deleting() {
		gone := func(conditionType string) metav1.Condition {
			return report.NotOK(conditionType, infrav1.DeletingReason, "The cluster is being deleted")
		}
		report.Set(s.infra, deleting, gone(infrav1.AccountsReadyCondition), gone(infrav1.NetworkReadyCondition),
			gone(infrav1.TailnetReadyCondition), gone(infrav1.RangesDistinctCondition), gone(infrav1.EndpointReadyCondition))
		return
	}
	accounts := s.Found(infrav1.AccountsReadyCondition, s.accountsReady)
	network := s.Found(infrav1.NetworkReadyCondition, s.networkReady)
	tailnet := s.Found(infrav1.TailnetReadyCondition, s.tailnetReady)
	endpoint := s.Found(infrav1.EndpointReadyCondition, s.endpointReady)
	ranges := []metav1.Condition{s.Found(infrav1.RangesDistinctCondition, s.rangesDistinct)}
	if isProvisioned(s.infra) {
		// Machines that work are no less ready for it, and only a new cluster would mend it.
		conditions.Set(s.infra, ranges[0])
		ranges = nil
	}
	all := slices.Concat([]metav1.Condition{deleting, tailnet}, ranges, []metav1.Condition{endpoint, accounts, network})
	if s.infra.Spec.EndpointType.HasLoadBalancer() {
		// Ready tells the cause: a load balancer waits for its account and network.
		all = slices.Concat([]metav1.Condition{deleting, tailnet}, ranges, []metav1.Condition{accounts, network, endpoint})
	}
	report.Set(s.infra, all...)
}

func (s *scope) rangesDistinct() metav1.Condition {
	if s.tailnet == nil {
		return report.Unknown(infrav1.RangesDistinctCondition, infrav1.WaitingReason, "Waiting for the tailnet to be found")
	}
	return report.OK(infrav1.RangesDistinctCondition)
}

func (s *scope) tailnetReady() metav1.Condition {
	if s.tailnet == nil {
		return report.Unknown(infrav1.TailnetReadyCondition, infrav1.WaitingReason, "Waiting for the tailnet to be found")
	}
	return report.OK(infrav1.TailnetReadyCondition)
}

func (s *scope) endpointReady() metav1.Condition {
	if !s.infra.Spec.ControlPlaneEndpoint.IsValid() {
		return report.Unknown(infrav1.EndpointReadyCondition, infrav1.WaitingReason, "Waiting for the address")
	}
	return report.OK(infrav1.EndpointReadyCondition)
}

// accountsReady tells about all accounts that cannot be used.
func (s *scope) accountsReady() metav1.Condition {
	if s.accounts == nil {
		return report.Unknown(infrav1.AccountsReadyCondition, infrav1.WaitingReason, "Waiting for the accounts to be found")
	}
	var bad []*access.Problem
	for _, account := range s.accounts {
		if account.problem != nil {
			bad = append(bad, account.problem)
		}
	}
	return report.Of(infrav1.AccountsReadyCondition, joined(bad))
}

// networkReady tells about the networks of all accounts that can be used: failures first, then what
// is in progress.
func (s *scope) networkReady() metav1.Condition {
	var failed, inProgress []*access.Problem
	usable := 0
	for _, account := range s.accounts {
		if !account.usable() {
			continue
		}
		usable++
		if account.networkProblem == nil {
			continue
		}
		problem := &access.Problem{
			Reason:  account.networkProblem.Reason,
			Message: fmt.Sprintf("Account %s: %s", account.name, account.networkProblem.Message),
		}
		if account.inProgress() {
			inProgress = append(inProgress, problem)
		} else {
			failed = append(failed, problem)
		}
	}
	if usable == 0 {
		return report.Unknown(infrav1.NetworkReadyCondition, infrav1.WaitingReason, "No account can be used")
	}
	return report.Of(infrav1.NetworkReadyCondition, joined(append(failed, inProgress...)))
}

// joined is one problem of the first one's reason that tells about the first few; nil if there is
// none.
func joined(problems []*access.Problem) *access.Problem {
	if len(problems) == 0 {
		return nil
	}
	var messages []string
	for _, problem := range problems[:min(maxNamedAccounts, len(problems))] {
		messages = append(messages, problem.Message)
	}
	if more := len(problems) - len(messages); more > 0 {
		messages = append(messages, fmt.Sprintf("and %d more", more))
	}
	return &access.Problem{Reason: problems[0].Reason, Message: strings.Join(messages, "; ")}
}

// steady leaves the message of an account as it was, if only the identifier of the request to OCI
// differs: writing that would bring the next pass at once, and with it the next request.
func steady(known []infrav1.ClusterAccountStatus, row infrav1.ClusterAccountStatus) infrav1.ClusterAccountStatus {
	at := slices.IndexFunc(known, func(k infrav1.ClusterAccountStatus) bool { return k.Name == row.Name })
	if at >= 0 && cloud.SameButRequestIDs(known[at].Message, row.Message) {
		row.Message = known[at].Message
	}
	return row
}

func row(account *accountState) infrav1.ClusterAccountStatus {
	status := infrav1.ClusterAccountStatus{
		Name: account.name, Ready: ptr.To(account.spec != nil && account.ready()),
		VCNID: account.network.VCNID, SubnetID: account.network.SubnetID,
		NetworkSecurityGroupIDs: account.network.NetworkSecurityGroupIDs, Claim: account.claim,
	}
	for _, prefix := range account.network.Ranges[:min(maxNetworkRanges, len(account.network.Ranges))] {
		status.Ranges = append(status.Ranges, prefix.String())
	}
	if account.network.SubnetID != "" {
		status.PublicIP = ptr.To(account.network.PublicIP)
	}
	for _, problem := range []*access.Problem{account.problem, account.networkProblem} {
		if problem != nil && status.Reason == "" {
			status.Reason, status.Message = problem.Reason, report.Truncate(problem.Message, maxAccountMessage)
		}
	}
	return status
}

// sentence makes a sentence of a clause.
func sentence(clause string) string {
	if clause == "" {
		return clause
	}
	return strings.ToUpper(clause[:1]) + clause[1:]
}

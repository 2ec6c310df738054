// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/report"
)

// owned are the conditions that this controller writes.
var owned = report.Types(clusterv1.PausedCondition, infrav1.AccountsReadyCondition, infrav1.NetworkReadyCondition, infrav1.TailnetReadyCondition,
	infrav1.RangesDistinctCondition, infrav1.EndpointReadyCondition, infrav1.ControlPlaneSpreadCondition, infrav1.DeletingCondition)

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
			rows = append(rows, row(account, s.infra.Status.Accounts))
		}
		s.infra.Status.Accounts = rows[:min(maxAccounts, len(rows))]
		s.infra.Status.UsableAccounts = s.usableAccounts()
	}
	deleting := report.Deleting(s.infra, s.Deletion)
	if s.deleting() {
		gone := func(conditionType string) metav1.Condition {
			return report.NotOK(conditionType, infrav1.DeletingReason, "The cluster is being deleted")
		}
		report.Set(s.infra, deleting, gone(infrav1.AccountsReadyCondition), gone(infrav1.NetworkReadyCondition),
			gone(infrav1.TailnetReadyCondition), gone(infrav1.RangesDistinctCondition), gone(infrav1.EndpointReadyCondition))
		conditions.Delete(s.infra, infrav1.ControlPlaneSpreadCondition)
		return
	}
	tailnet := s.Found(infrav1.TailnetReadyCondition, s.tailnetReady)
	endpoint := s.Found(infrav1.EndpointReadyCondition, s.endpointReady)
	ranges := []metav1.Condition{s.Found(infrav1.RangesDistinctCondition, s.rangesDistinct)}
	if isProvisioned(s.infra) {
		// Machines that work are no less ready for it, and only a new cluster would fix it.
		report.SetApart(s.infra, ranges...)
		ranges = nil
	}
	accounts := []metav1.Condition{
		s.Found(infrav1.AccountsReadyCondition, s.accountsReady), s.Found(infrav1.NetworkReadyCondition, s.networkReady),
	}
	spared := s.sparesAccounts()
	if spared {
		report.SetApart(s.infra, accounts...)
		accounts = nil
	}
	all := slices.Concat([]metav1.Condition{deleting, tailnet}, ranges, []metav1.Condition{endpoint}, accounts)
	if s.infra.Spec.EndpointType.HasLoadBalancer() {
		// Ready tells the cause: a load balancer waits for its account and network.
		all = slices.Concat([]metav1.Condition{deleting, tailnet}, ranges, accounts, []metav1.Condition{endpoint})
	}
	report.Set(s.infra, all...)
	if spared {
		s.tellOfAccounts()
	}
	s.tellOfSpread()
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

// sentence makes a sentence of a clause.
func sentence(clause string) string {
	if clause == "" {
		return clause
	}
	return strings.ToUpper(clause[:1]) + clause[1:]
}

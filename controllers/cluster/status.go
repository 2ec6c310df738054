// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/report"
)

// owned are the conditions that this controller writes.
var owned = report.Types(infrav1.AccountsReadyCondition, infrav1.NetworkReadyCondition, infrav1.TailnetReadyCondition,
	infrav1.EndpointReadyCondition, infrav1.DeletingCondition)

const (
	// maxAccountMessage and maxAccounts are the API's limits.
	maxAccountMessage = 1024
	maxAccounts       = 100
	// named bounds how many accounts a message tells about.
	named = 5
)

// updateStatus writes what the phases found out.
func updateStatus(s *scope) {
	var rows []infrav1.ClusterAccountStatus
	for _, account := range slices.Concat(s.accounts, s.left) {
		rows = append(rows, row(account))
	}
	s.infra.Status.Accounts = rows[:min(maxAccounts, len(rows))]
	deleting := report.Deleting(s.infra, s.waitsFor)
	if !s.infra.DeletionTimestamp.IsZero() {
		gone := func(conditionType string) metav1.Condition {
			return report.NotOK(conditionType, infrav1.DeletingReason, "the cluster is being deleted")
		}
		report.Set(s.infra, deleting, gone(infrav1.AccountsReadyCondition), gone(infrav1.NetworkReadyCondition),
			gone(infrav1.TailnetReadyCondition), gone(infrav1.EndpointReadyCondition))
		return
	}
	endpoint := report.Of(infrav1.EndpointReadyCondition, s.endpointProblem)
	all := []metav1.Condition{deleting, report.Of(infrav1.TailnetReadyCondition, s.tailnetProblem), endpoint, accountsReady(s), networkReady(s)}
	if s.infra.Spec.EndpointType.HasLoadBalancer() {
		// Ready tells the cause: a load balancer waits for its account and network.
		all = append(slices.Delete(all, 2, 3), endpoint)
	}
	report.Set(s.infra, all...)
}

// accountsReady tells about all accounts that cannot be used.
func accountsReady(s *scope) metav1.Condition {
	var bad []*access.Problem
	for _, account := range s.accounts {
		if account.problem != nil {
			bad = append(bad, account.problem)
		}
	}
	return report.Of(infrav1.AccountsReadyCondition, joined(bad))
}

// networkReady tells about the networks of all accounts that can be used: failures first, then what
// is being made.
func networkReady(s *scope) metav1.Condition {
	var failed, making []*access.Problem
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
			Message: fmt.Sprintf("account %s: %s", account.name, account.networkProblem.Message),
		}
		if account.inProgress() {
			making = append(making, problem)
		} else {
			failed = append(failed, problem)
		}
	}
	if usable == 0 {
		return report.Unknown(infrav1.NetworkReadyCondition, infrav1.WaitingReason, "no account can be used")
	}
	return report.Of(infrav1.NetworkReadyCondition, joined(append(failed, making...)))
}

// joined is one problem of the first one's reason that tells about the first few; nil if there is
// none.
func joined(problems []*access.Problem) *access.Problem {
	if len(problems) == 0 {
		return nil
	}
	var messages []string
	for _, problem := range problems[:min(named, len(problems))] {
		messages = append(messages, problem.Message)
	}
	if more := len(problems) - len(messages); more > 0 {
		messages = append(messages, fmt.Sprintf("and %d more", more))
	}
	return &access.Problem{Reason: problems[0].Reason, Message: strings.Join(messages, "; ")}
}

func row(account *accountState) infrav1.ClusterAccountStatus {
	status := infrav1.ClusterAccountStatus{
		Name: account.name, Ready: ptr.To(account.spec != nil && account.ready()),
		VCNID: account.network.VCNID, SubnetID: account.network.SubnetID,
		NetworkSecurityGroupIDs: account.network.NetworkSecurityGroupIDs, Claim: account.claim,
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

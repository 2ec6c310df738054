// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/cluster-api/util/conditions"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/report"
)

// usable counts the accounts of the spec that machines can be placed in.
func (s *scope) usable() (number int) {
	for _, account := range s.accounts {
		if account.ready() {
			number++
		}
	}
	return number
}

// usableAccounts is the number for the column of kubectl; empty in a deletion.
func (s *scope) usableAccounts() string {
	if s.deleting() {
		return ""
	}
	return fmt.Sprintf("%d/%d", s.usable(), len(s.accounts))
}

// servesAllRoles tells whether new machines of each role find a usable account: control planes one
// that allows them, workers any. An account that allows control planes is one for workers, too.
func (s *scope) servesAllRoles() bool {
	return slices.ContainsFunc(s.accounts, func(a *accountState) bool { return a.ready() && a.controlPlane() })
}

// sparesAccounts tells whether the cluster is Ready without those of its accounts that cannot be
// used. On the way up all are waited for, and what concerns all of them always counts. So does
// another management cluster at work, in whatever account.
func (s *scope) sparesAccounts() bool {
	_, noAccounts := s.Noted(infrav1.AccountsReadyCondition)
	_, noNetworks := s.Noted(infrav1.NetworkReadyCondition)
	return isProvisioned(s.infra) && s.servesAllRoles() && !noAccounts && !noNetworks &&
		!slices.ContainsFunc(s.accounts, func(a *accountState) bool {
			return a.networkProblem != nil && a.networkProblem.Reason == infrav1.HeldElsewhereReason
		})
}

// tellOfAccounts gives a cluster that is Ready without some of its accounts their message. It is
// taken from the object, where it is steady.
func (s *scope) tellOfAccounts() {
	accounts, ready := conditions.Get(s.infra, infrav1.AccountsReadyCondition), conditions.Get(s.infra, infrav1.ReadyCondition)
	if ready.Status != metav1.ConditionTrue || accounts.Status == metav1.ConditionTrue {
		return
	}
	told := *ready
	told.Message = accounts.Message
	conditions.Set(s.infra, told)
}

// accountsReady tells how many accounts can be used, and about those that cannot: failures first,
// then what is in progress.
func (s *scope) accountsReady() metav1.Condition {
	if s.accounts == nil {
		return report.Unknown(infrav1.AccountsReadyCondition, infrav1.WaitingReason, "Waiting for the accounts to be found")
	}
	var failed, inProgress []*access.Problem
	for _, account := range s.accounts {
		switch {
		case account.ready():
		case account.inProgress():
			inProgress = append(inProgress, account.trouble())
		default:
			failed = append(failed, account.trouble())
		}
	}
	count := fmt.Sprintf("%d of %d accounts usable", s.usable(), len(s.accounts))
	bad := joined(append(failed, inProgress...))
	if bad == nil {
		condition := report.OK(infrav1.AccountsReadyCondition)
		condition.Message = count
		return condition
	}
	if s.usable() > 0 && !s.servesAllRoles() {
		count += ", and none of them allows control planes"
	}
	return report.NotOK(infrav1.AccountsReadyCondition, bad.Reason, count+": "+bad.Message)
}

// trouble is why the account is not ready, with its name.
func (a *accountState) trouble() *access.Problem {
	problem := a.problem
	if problem == nil {
		problem = a.networkProblem
	}
	if problem == nil {
		problem = access.NewProblem(infrav1.WaitingReason, "Waiting for the network to be checked")
	}
	if strings.Contains(problem.Message, "OCIAccount "+a.name+" ") {
		return problem
	}
	return &access.Problem{Reason: problem.Reason, Message: fmt.Sprintf("Account %s: %s", a.name, problem.Message)}
}

// row is the account's in the status. Times and messages go on from what is known of it.
func row(account *accountState, known []infrav1.ClusterAccountStatus) infrav1.ClusterAccountStatus {
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
	at := slices.IndexFunc(known, func(k infrav1.ClusterAccountStatus) bool { return k.Name == account.name })
	if at >= 0 {
		status.Conditions = slices.Clone(known[at].Conditions)
		// If only the identifier of the request to OCI differs, a write would bring the next pass
		// at once, and with it the next request.
		if cloud.SameButRequestIDs(known[at].Message, status.Message) {
			status.Message = known[at].Message
		}
	}
	report.Set(&status, accountReady(account), accountNetworkReady(account))
	return status
}

// accountReady is one account's.
func accountReady(account *accountState) metav1.Condition {
	if account.spec == nil {
		return report.NotOK(infrav1.AccountReadyCondition, infrav1.DeletingReason, "The cluster leaves the account")
	}
	return report.Of(infrav1.AccountReadyCondition, account.problem)
}

// accountNetworkReady is that of one account's network.
func accountNetworkReady(account *accountState) metav1.Condition {
	const condition = infrav1.NetworkReadyCondition
	switch {
	case account.networkProblem != nil:
		return report.Of(condition, account.networkProblem)
	case account.spec == nil:
		return report.NotOK(condition, infrav1.DeletingReason, "The network is not deleted yet")
	case !account.usable():
		return report.Unknown(condition, infrav1.WaitingReason, "The account cannot be used")
	case !account.network.Ready:
		return report.Unknown(condition, infrav1.WaitingReason, "Waiting for the network to be checked")
	}
	return report.OK(condition)
}

// announceAccounts emits an event if another number of accounts can be used than before and Ready
// has not changed with it, which would be an event of its own.
func (r *Reconciler) announceAccounts(infra, before *infrav1.OCIMeshCluster) {
	if r.Recorder == nil || !isProvisioned(before) || before.Status.UsableAccounts == infra.Status.UsableAccounts {
		return
	}
	was, is := conditions.Get(before, infrav1.ReadyCondition), conditions.Get(infra, infrav1.ReadyCondition)
	accounts := conditions.Get(infra, infrav1.AccountsReadyCondition)
	if was == nil || is == nil || accounts == nil || was.Status != is.Status || was.Reason != is.Reason {
		return
	}
	kind := corev1.EventTypeNormal
	if accounts.Status != metav1.ConditionTrue {
		kind = corev1.EventTypeWarning
	}
	r.Recorder.Eventf(infra, nil, kind, accounts.Reason, "Reconcile", "%s", accounts.Message)
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/placement"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/report"
)

// tellOfSpread sets the condition once the number of control planes is known.
func (s *scope) tellOfSpread() {
	placed, total := s.controlPlanes()
	desired := total
	if s.cluster != nil && s.cluster.Status.ControlPlane != nil {
		desired = int(ptr.Deref(s.cluster.Status.ControlPlane.DesiredReplicas, 0))
	}
	if desired == 0 {
		conditions.Delete(s.infra, infrav1.ControlPlaneSpreadCondition)
		return
	}
	report.SetApart(s.infra, s.controlPlaneSpread(placed, total, desired))
}

// controlPlaneSpread tells whether etcd's quorum outlives the loss of any one account, as the
// control planes are placed and as the spec lets them be.
func (s *scope) controlPlaneSpread(placed map[string]int, total, desired int) metav1.Condition {
	const condition = infrav1.ControlPlaneSpreadCondition
	var allowed []string
	for i := range s.infra.Spec.Accounts {
		if account := &s.infra.Spec.Accounts[i]; ptr.Deref(account.ControlPlane, true) {
			allowed = append(allowed, account.Name)
		}
	}
	tolerated := placement.Tolerated(desired)
	// The fullest account holds so many of them at least.
	atLeast := (desired + len(allowed) - 1) / len(allowed)
	if atLeast > tolerated {
		return report.NotOK(condition, infrav1.QuorumInOneAccountReason, fmt.Sprintf(
			"Control planes: %d. Accounts that allow them: %s. One account holds at least %d of %d, and its loss takes etcd's quorum. What helps: %s",
			desired, strings.Join(allowed[:min(maxNamedAccounts, len(allowed))], ", "), atLeast, desired, spreadRemedy(desired, s.infra.Spec.EndpointType)))
	}
	if total != desired {
		// While machines come and go there is no telling.
		return report.OK(condition)
	}
	for _, account := range slices.Sorted(maps.Keys(placed)) {
		if placed[account] > tolerated {
			return report.NotOK(condition, infrav1.QuorumInOneAccountReason, fmt.Sprintf(
				"Account %s holds %d of %d control planes, and its loss takes etcd's quorum: delete one of their Machines once another account has room for it",
				account, placed[account], total))
		}
	}
	return report.OK(condition)
}

// controlPlanes counts the placed control planes by account, and in all. Those that are being
// deleted are on their way out.
func (s *scope) controlPlanes() (placed map[string]int, total int) {
	placed = map[string]int{}
	for i := range s.machines {
		machine := &s.machines[i]
		_, isMember := machine.Labels[clusterv1.MachineControlPlaneLabel]
		if account := machine.Status.Placement.Account; account != "" && isMember && machine.DeletionTimestamp.IsZero() {
			placed[account]++
			total++
		}
	}
	return placed, total
}

// spreadRemedy is what makes the spec keep quorum without one account.
func spreadRemedy(desired int, endpoint infrav1.EndpointType) string {
	switch {
	case endpoint.HasLoadBalancer():
		return fmt.Sprintf("a new cluster with endpointType %s, since a load balancer keeps all control planes in one account",
			infrav1.EndpointTailnetVIP)
	case desired < 3:
		return "three control planes in three accounts"
	case desired%2 == 0:
		return fmt.Sprintf("an odd number of control planes, in three accounts or more, or %d accounts that allow them", accountsFor(desired))
	}
	return fmt.Sprintf("allow control planes in %d accounts or more", accountsFor(desired))
}

// accountsFor is the least number of accounts over which so many control planes keep quorum without
// any one of them.
func accountsFor(desired int) int {
	tolerated := placement.Tolerated(desired)
	return (desired + tolerated - 1) / tolerated
}

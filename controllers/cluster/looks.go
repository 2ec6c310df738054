// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"maps"
	"time"

	"sigs.k8s.io/cluster-api/util/conditions"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// looks are when a network or a load balancer that was complete is compared with OCI again.
type looks struct {
	// seldom is the interval if polls of machines show who holds it, often the one without that, or
	// after a sign that something is wrong with it.
	often, seldom time.Duration
	// polled is set if polls show who holds it.
	polled bool
	// sign is when the last sign was seen.
	sign time.Time
}

// looks are those of what the cluster has in the account. Polls show at once if another management
// cluster claims the cluster's machines: it then claims the rest too.
func (r *Reconciler) looks(s *scope, account string) looks {
	next := looks{often: s.options.UnseenInterval, seldom: s.options.NetworkInterval}
	seen := map[string]bool{}
	for i := range s.machines {
		machine := &s.machines[i]
		claim := machine.Status.Claim
		if claim.State.IsElsewhere() || time.Since(claim.TakenAt.Time) < 2*r.Claims.Window() {
			return looks{}
		}
		next.polled = next.polled || isPolled(machine)
		if in := machine.Status.Placement.Account; in != "" && in != account {
			continue
		}
		if sign := signOf(machine); sign != "" {
			seen[string(machine.UID)+" "+sign] = true
		}
	}
	next.sign = r.cache.noteSigns(accountKey{s.infra.UID, account}, seen)
	return next
}

// isPolled tells whether polls show the machine's instance, and with it who claims that.
func isPolled(machine *infrav1.OCIMeshMachine) bool {
	return machine.Status.Instance.ID != "" && !conditions.IsUnknown(machine, infrav1.InstanceReadyCondition)
}

// always tells whether each pass looks.
func (l looks) always() bool { return l.often == 0 }

// due tells whether to look at what was last seen at the time.
func (l looks) due(seen time.Time) bool {
	age := time.Since(seen)
	if l.polled && !l.sign.After(seen) {
		return age >= l.seldom
	}
	return age >= l.often
}

// signOf is what a machine suffers from that a changed network or load balancer may be the cause
// of; empty for nothing.
func signOf(machine *infrav1.OCIMeshMachine) string {
	if !machine.DeletionTimestamp.IsZero() {
		return ""
	}
	for _, sign := range []struct{ condition, reason string }{
		{infrav1.PlacedCondition, infrav1.LaunchRefusedReason},
		{infrav1.TailnetReadyCondition, infrav1.DeviceOfflineReason},
		{infrav1.TailnetReadyCondition, infrav1.JoinTimeoutReason},
		{infrav1.LoadBalancerReadyCondition, infrav1.BackendFailedReason},
	} {
		if conditions.GetReason(machine, sign.condition) == sign.reason {
			return sign.reason
		}
	}
	return ""
}

// signs are the signs that the last pass saw, and when the last of them was new.
type signs struct {
	seen map[string]bool
	last time.Time
}

// noteSigns keeps the signs of something wrong in an account, and returns when one was last new.
func (c *cache) noteSigns(key accountKey, seen map[string]bool) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.signs[key]
	for sign := range seen {
		if !known.seen[sign] {
			known.last = time.Now()
		}
	}
	if c.signs == nil {
		c.signs = map[accountKey]signs{}
	}
	c.signs[key] = signs{seen: maps.Clone(seen), last: known.last}
	return known.last
}

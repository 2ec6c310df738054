// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
)

func TestTheNextPassIsDueByWhatTheAccountsAndTheEndpointWaitFor(t *testing.T) {
	t.Parallel()
	const poll, retry, progress = time.Hour, time.Minute, time.Second
	due := func(reason string) *accountState {
		return &accountState{networkProblem: access.NewProblem(reason, "message")}
	}
	for name, world := range map[string]struct {
		accounts, former []*accountState
		endpoint         func(*scope) error
		want             time.Duration
	}{
		"all is well":         {accounts: []*accountState{{}}, want: poll},
		"a network is made":   {accounts: []*accountState{{}, due(infrav1.NetworkProvisioningReason)}, want: progress},
		"a network goes":      {accounts: []*accountState{{}}, former: []*accountState{due(infrav1.DeletingReason)}, want: progress},
		"OCI is not there":    {accounts: []*accountState{due(infrav1.UnavailableReason), {}}, want: retry},
		"OCI refuses":         {accounts: []*accountState{due(infrav1.NetworkFailedReason)}, want: poll},
		"a deletion is stuck": {former: []*accountState{due(infrav1.WaitingForAccountReason)}, want: retry},
		"an account is broken": {
			accounts: []*accountState{{problem: access.NewProblem(infrav1.AccountNotReadyReason, "message")}}, want: poll,
		},
		"the endpoint waits for an object": {
			endpoint: func(s *scope) error { return waiting(s, "Waiting for the tailnet") }, want: poll,
		},
		"the load balancer is made": {
			endpoint: func(*scope) error { return access.NewProblem(infrav1.EndpointProvisioningReason, "message") }, want: progress,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			options := Options{Intervals: phases.Intervals{Poll: poll, Retry: retry, Progress: progress}}
			s := newScope(nil, &infrav1.OCIMeshCluster{}, options)
			s.accounts, s.former = world.accounts, world.former
			if world.endpoint != nil {
				g.Expect(phases.Run(t.Context(), s, []phases.Phase[*scope]{
					{Name: "ensure endpoint", Condition: infrav1.EndpointReadyCondition, Run: func(_ context.Context, s *scope) error { return world.endpoint(s) }},
				})).To(Succeed())
			}

			s.requeue()

			g.Expect(s.Result().RequeueAfter).To(BeNumerically("~", world.want+world.want/20, world.want/20+1))
		})
	}
}

func TestTheReasonsPaceSaysWhetherAnAccountComesBackByItself(t *testing.T) {
	t.Parallel()
	because := func(reason string) accountState {
		return accountState{networkProblem: access.NewProblem(reason, "message")}
	}
	for name, world := range map[string]struct {
		account               accountState
		inProgress, transient bool
	}{
		"all is well":                {accountState{}, false, false},
		"it is yet to be checked":    {accountState{unchecked: true}, true, true},
		"its network is made":        {because(infrav1.NetworkProvisioningReason), true, true},
		"something else is made":     {because(infrav1.InstanceProvisioningReason), true, true},
		"its network is claimed":     {because(infrav1.ClaimingReason), true, true},
		"OCI is not there":           {because(infrav1.UnavailableReason), false, true},
		"OCI is asked too much":      {because(infrav1.ThrottledReason), false, true},
		"something else passes":      {because(infrav1.ConflictReason), false, true},
		"a person has to mend it":    {because(infrav1.NetworkFailedReason), false, false},
		"another cluster's":          {because(infrav1.HeldElsewhereReason), false, false},
		"a key that is refused":      {because(infrav1.AuthenticationFailedReason), false, false},
		"a reason that nobody knows": {because("Odd"), false, false},
		"the account is broken": {
			accountState{problem: access.NewProblem(infrav1.AccountNotReadyReason, "message"), networkProblem: access.NewProblem(infrav1.UnavailableReason, "message")},
			false, false,
		},
		"the network of before has machines": {
			accountState{former: true, networkProblem: access.NewProblem(infrav1.NetworkInUseReason, "message")}, false, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			g.Expect(world.account.inProgress()).To(Equal(world.inProgress), "the cluster waits for it")
			g.Expect(world.account.transient()).To(Equal(world.transient), "its failure domains stay")
		})
	}
}

func TestOptionsHaveDefaults(t *testing.T) {
	t.Parallel()
	NewWithT(t).Expect(Options{}.withDefaults().Intervals).To(Equal(phases.Intervals{
		Poll: time.Minute, Retry: 10 * time.Second, Progress: 2 * time.Second, Outside: time.Minute,
	}))
}

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

func TestOptionsHaveDefaults(t *testing.T) {
	t.Parallel()
	NewWithT(t).Expect(Options{}.withDefaults().Intervals).To(Equal(phases.Intervals{
		Poll: time.Minute, Retry: 10 * time.Second, Progress: 2 * time.Second, Outside: time.Minute,
	}))
}

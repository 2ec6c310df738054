// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"context"
	"fmt"
	"slices"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/placement"
)

// Stay tells whether a placed machine may have the size of its present spec where it is. A Refusal
// says which figure of its account's budget it would exceed. Whether OCI has the room is for OCI to
// say. Others see the size as soon as the spec has it, so that nothing has to be reserved.
func (s *Scheduler) Stay(ctx context.Context, request Request) (*Refusal, error) {
	s.reservations.deciding.Lock()
	defer s.reservations.deciding.Unlock()
	facts, err := s.facts(ctx, request, s.options.Clock())
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(facts.Accounts, func(a placement.Account) bool { return a.Name == request.Recorded.Account })
	if at < 0 {
		return nil, nil
	}
	for _, shape := range facts.Shapes {
		if shape.Name != request.Recorded.Shape {
			continue
		}
		if _, why := facts.Accounts[at].Room(shape, 1); why != "" {
			return &Refusal{
				Reason: infrav1.BudgetExceededReason,
				Message: fmt.Sprintf("OCIAccount %s has no room for the machine's new size: %s. What helps: raise its spec.budget, "+
					"delete machines in it, or take the size back", request.Recorded.Account, why),
				RetryAfter: s.options.PollInterval,
			}, nil
		}
	}
	return nil, nil
}

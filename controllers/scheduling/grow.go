// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"context"
	"fmt"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/placement"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// Stay tells whether a placed machine may have the size of its present spec where it is, and books
// that size until the machine's status shows it. A Refusal says that its namespace may not use the
// account any more, or which figure of the account's budget it would exceed, whatever accounts its
// cluster lists by now: users write that list. Only figures that grow are judged: a budget below
// use takes none away, and a machine that shrinks makes it less. A figure without a record grows:
// what the spec has may be what was refused. Whether OCI has the room is for
// OCI to say. What is asked for and refused counts for nobody.
func (s *Scheduler) Stay(ctx context.Context, request Request) (*Refusal, error) {
	s.reservations.deciding.Lock()
	defer s.reservations.deciding.Unlock()
	name := request.Recorded.Account
	of, err := s.options.Access.Account(ctx, name, request.Key.Namespace)
	if err != nil {
		problem := access.AsProblem(err)
		if problem.Reason == infrav1.InternalErrorReason {
			return nil, err
		}
		return &Refusal{Reason: problem.Reason, Message: problem.Message, RetryAfter: s.options.PollInterval}, nil
	}
	if err := s.awaitFirstPoll(request.Key, of, s.options.Clock()); err != nil {
		return nil, err
	}
	facts := placement.Facts{Accounts: []placement.Account{{Name: name, Budget: placement.BudgetOf(of.Spec.Budget)}}}
	if err := s.addMachines(ctx, request, []infrav1.OCIAccount{*of}, &facts); err != nil {
		return nil, err
	}
	for _, shape := range request.Spec.Shapes {
		if shape.Name != request.Recorded.Shape {
			continue
		}
		wanted := s.reservations.shapeOf(request.Spec, shape)
		growing := wanted
		growing.Size = wanted.Size.Growing(placement.Granted(request.Granted, wanted))
		if _, why := facts.Accounts[0].Room(growing, 1); why != "" {
			s.reservations.grow(request.Key, placement.Size{})
			remedies := append(budgetRemedies([]string{name}, freeOf(facts)), "or take the size back")
			return &Refusal{
				Reason: infrav1.BudgetExceededReason,
				Message: fmt.Sprintf("OCIAccount %s has no room for the machine's new size: %s. What helps: %s",
					name, why, strings.Join(remedies, "; ")),
				RetryAfter: s.options.PollInterval,
			}, nil
		}
		s.reservations.grow(request.Key, wanted.Size)
	}
	return nil, nil
}

// GiveBack lets go of a size that Stay booked and that will not be written.
func (s *Scheduler) GiveBack(key client.ObjectKey) { s.reservations.giveBack(key) }

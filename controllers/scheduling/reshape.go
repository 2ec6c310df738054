// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instancecache"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/placement"
)

// Reshape tells whether all of the pool's instances may be as another spec has them, and books that
// until the pool's status shows it: OCI launches instances in the place of lost ones without
// another question. pool.Size is what OCI says. A Refusal says why they stay as they were granted.
func (s *Scheduler) Reshape(ctx context.Context, pool Pool, wanted infrav1.OCIMeshMachineSpec) (*Refusal, error) {
	now := s.options.Clock()
	if err := s.learnSizes(ctx, []string{pool.Account}, pool.Key.Namespace, wanted.Shapes, now); err != nil {
		return nil, err
	}
	s.reservations.deciding.Lock()
	defer s.reservations.deciding.Unlock()
	of, err := s.account(ctx, pool.Account)
	if err != nil {
		return nil, err
	}
	cache := s.options.Pollers.Cache(of)
	granted := s.settle(pool, cache)
	shape, before := s.reservations.shapeOf(wanted, wanted.Shapes[0]), s.shapeOf(pool)
	if shape.Name == before.Name && shape.Size.Beyond(before.Size) == (placement.Size{}) {
		return nil, nil
	}
	if _, polled := cache.Age(now); !polled {
		cache.Hurry()
		return nil, waitFor(instancecache.Slow+time.Second, "Waiting for account %s to be polled", pool.Account)
	}
	facts := placement.Facts{Accounts: []placement.Account{{Name: pool.Account, Budget: placement.BudgetOf(of.Spec.Budget)}}}
	size, err := s.addOthersUsage(ctx, pool, of, &facts)
	if err != nil {
		return nil, err
	}
	if size > 0 {
		if why := facts.Accounts[0].Unsized(shape); why != "" {
			return s.refuseShape(pool, size, infrav1.ShapeUnknownReason, why, []string{unsizedRemedy}), nil
		}
		growing := shape
		if shape.Name == before.Name {
			growing.Size = shape.Size.Growing(before.Size)
		}
		if _, why := facts.Accounts[0].Room(growing, int64(size)); why != "" {
			// Advice is about one instance, beside the others.
			facts.Accounts[0].Used = append(facts.Accounts[0].Used, useBy(shape, size-1))
			return s.refuseShape(pool, size, infrav1.BudgetExceededReason, why, s.poolRemedies(shape, facts)), nil
		}
	}
	granted.shape = shape
	if shape.Name == before.Name {
		// Until OCI is told, it launches them as before.
		granted.shape.Size = before.Size.Plus(shape.Size.Beyond(before.Size))
	}
	s.grants[pool.Key] = granted
	return nil, nil
}

// addOthersUsage adds what machines and the other pools use of the one account, and returns how
// many instances of the pool there are or may be.
func (s *Scheduler) addOthersUsage(ctx context.Context, pool Pool, of *infrav1.OCIAccount, facts *placement.Facts) (size int, err error) {
	if err := s.observeAll(ctx); err != nil {
		return 0, err
	}
	s.reservations.addTo(facts, client.ObjectKey{}, client.ObjectKey{})
	pools, err := s.pools(ctx)
	if err != nil {
		return 0, err
	}
	account := &facts.Accounts[0]
	others := slices.DeleteFunc(pools, func(other Pool) bool { return other.Key == pool.Key })
	s.addStrays(pool.mark(), of, account, others, client.ObjectKey{})
	own := members{}
	for _, instance := range s.strays(account.Name, s.options.Pollers.Cache(of)) {
		if ownership.PoolIn(instance.Tags) == pool.mark() {
			own.add(instance.State)
		}
	}
	return own.live + own.terminating + s.unseen(pool, own, s.options.Pollers.Cache(of)), nil
}

// refuseShape says why a pool's instances stay as they were granted.
func (s *Scheduler) refuseShape(pool Pool, size int, reason, why string, remedies []string) *Refusal {
	return s.refusal(reason, fmt.Sprintf("OCIAccount %s has no room for the pool's %d instances as the spec has them, so that OCI goes on launching "+
		"them as before: %s", pool.Account, size, why), append(remedies, "or take the change back"))
}

// refusal is one of a pool. What is freed changes the account's status, which wakes the pool; the
// next try is for the case that it does not.
func (s *Scheduler) refusal(reason, message string, remedies []string) *Refusal {
	wait := s.options.PollInterval
	if reason == infrav1.BudgetExceededReason {
		wait *= 5
		remedies = append(remedies, "or wait: the next try is when something is freed, or at the latest in "+wait.String())
	}
	return &Refusal{Reason: reason, Message: message + ". What helps: " + strings.Join(remedies, "; "), RetryAfter: wait}
}

// poolRemedies are what a person can do so that there is room for another instance of a pool.
func (s *Scheduler) poolRemedies(shape placement.Shape, facts placement.Facts) (remedies []string) {
	account := &facts.Accounts[0]
	budget := budgetRemedies([]string{account.Name}, freeOf(facts))
	// Any place in the account is as good as another: OCI chooses it.
	account.Selected, account.Ready = true, true
	account.Domains = []infrav1.AvailabilityDomain{{Name: account.Name}}
	account.Used = summed(account.Used)
	facts.Shapes = []placement.Shape{shape}
	found := placement.Advise(facts, s.reservations.leaving(facts.Accounts))
	if found.Leaving {
		remedies = append(remedies, "wait until the machines that are being deleted are gone: then another one fits")
	}
	remedies = append(remedies, budget...)
	if found.Smaller != nil {
		remedies = append(remedies, advice{Advice: found}.shapes())
	}
	return remedies
}

// shapeOf is the shape of a pool's machines, as it was last granted.
func (s *Scheduler) shapeOf(pool Pool) placement.Shape {
	if granted := s.grants[pool.Key]; granted.identity == pool.Identity && granted.shape.Name != "" {
		return granted.shape
	}
	return s.reservations.shapeOf(pool.Machine, pool.Machine.Shapes[0])
}

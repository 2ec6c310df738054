// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"sigs.k8s.io/cluster-api/util/conditions"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/placement"
)

// shapeLists say which accounts were asked for their shapes, so that one whose list lacks a shape
// is not asked again for each machine. The zero value is ready.
type shapeLists struct {
	mu sync.Mutex
	// until is for how long an account's list counts, or zero while it is read. Another client has
	// other credentials and may see other shapes.
	until map[*oci.Client]time.Time
}

// begin tells whether the caller is to read the account's list; underway says that another one
// does.
func (l *shapeLists) begin(c *oci.Client, now time.Time) (read, underway bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for other, until := range l.until {
		if !until.IsZero() && !now.Before(until) {
			delete(l.until, other)
		}
	}
	if until, known := l.until[c]; known {
		return false, until.IsZero()
	}
	if l.until == nil {
		l.until = map[*oci.Client]time.Time{}
	}
	l.until[c] = time.Time{}
	return true, false
}

// end says how the reading ended.
func (l *shapeLists) end(c *oci.Client, now time.Time, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		delete(l.until, c)
		return
	}
	l.until[c] = now.Add(imageLife)
}

// learnSizes finds out the size of shapes that are not flexible, where a budget or one of OCI's
// limits counts their OCPUs or memory: shapes of the machines to come to the accounts, and of those
// there. It is the same everywhere and never changes. An instance in a poll tells it, or else the
// accounts' lists of shapes. A size nobody tells stays unknown, and the decision says so.
func (s *Scheduler) learnSizes(ctx context.Context, accounts []string, namespace string, wanted []infrav1.Shape, now time.Time) error {
	unsized, err := s.unsized(ctx, wanted)
	if err != nil || len(unsized) == 0 {
		return err
	}
	var counting []*infrav1.OCIAccount
	for _, name := range accounts {
		account, err := s.account(ctx, name)
		if err != nil {
			// The decision says what is wrong with it.
			continue
		}
		facts := placement.Account{Budget: placement.BudgetOf(account.Spec.Budget)}
		if slices.ContainsFunc(unsized, func(name string) bool {
			return facts.CountsSize(placement.Family(name)) || len(limitsOf(account, []infrav1.Shape{{Name: name}})) > 0
		}) {
			counting = append(counting, account)
		}
	}
	for _, account := range counting {
		seen, _ := s.options.Pollers.Cache(account).Claimed()
		s.reservations.learn(sizesOf(seen))
	}
	for _, account := range counting {
		if unsized = s.reservations.unsized(unsized); len(unsized) == 0 {
			return nil
		}
		if err := s.readSizes(ctx, account, namespace, now); err != nil {
			return err
		}
	}
	return nil
}

// unsized are the shapes that are wanted, and those of machines and pools, whose size is not known.
func (s *Scheduler) unsized(ctx context.Context, wanted []infrav1.Shape) ([]string, error) {
	s.reservations.deciding.Lock()
	err := s.observeAll(ctx)
	s.reservations.deciding.Unlock()
	if err != nil {
		return nil, err
	}
	names := s.reservations.unsizedThere()
	for _, shape := range wanted {
		names = append(names, shape.Name)
	}
	if s.options.Pools != nil {
		pools, err := s.options.Pools(ctx)
		if err != nil {
			return nil, fmt.Errorf("listing the machine pools: %w", err)
		}
		for _, pool := range pools {
			names = append(names, pool.Machine.Shapes[0].Name)
		}
	}
	return s.reservations.unsized(names), nil
}

// readSizes takes over the account's list of shapes. One that cannot be asked is passed over.
func (s *Scheduler) readSizes(ctx context.Context, account *infrav1.OCIAccount, namespace string, now time.Time) error {
	if conditions.IsFalse(account, infrav1.ReadyCondition) || !s.options.Pollers.Cache(account).Answering(now) {
		return nil
	}
	c, err := s.clientOf(ctx, account.Name, namespace)
	if err != nil {
		return nil
	}
	read, underway := s.shapeLists.begin(c, now)
	if underway {
		return waitFor(imageWait, "Waiting for the list of shapes of account %s", account.Name)
	}
	if !read {
		return nil
	}
	shapes, err := c.RecentShapes(ctx, imageLife)
	s.shapeLists.end(c, now, err)
	if cloud.IsKind(err, cloud.Throttled) && cloud.WasNotSent(err) {
		return waitFor(cloud.RetryAfterOf(err), "Waiting for the list of shapes of account %s", account.Name)
	}
	sizes := placement.Sizes{}
	for _, shape := range shapes {
		if !shape.Flexible {
			sizes[shape.Name] = placement.SizeOf(shape.OCPUs, shape.MemoryGB)
		}
	}
	s.reservations.learn(sizes)
	return nil
}

// sizesOf are the sizes of shapes that instances show.
func sizesOf(seen []oci.Instance) placement.Sizes {
	sizes := placement.Sizes{}
	for _, instance := range seen {
		if !placement.IsFlexible(instance.Shape) && instance.OCPUs > 0 && instance.MemoryGB > 0 {
			sizes[instance.Shape] = placement.SizeOf(instance.OCPUs, instance.MemoryGB)
		}
	}
	return sizes
}

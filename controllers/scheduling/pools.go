// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"context"
	"fmt"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instancecache"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/placement"
)

// Pool is a machine pool: OCI launches its instances in one account.
type Pool struct {
	// Key is the pool's namespace and name, Identity its first UID.
	Key      client.ObjectKey
	Identity string
	// Account is the OCIAccount's name.
	Account string
	// Size is the number of instances as told to OCI or, in a status, about to be told.
	Size int
	// Ending pools are being deleted: OCI replaces nothing.
	Ending bool
	// Machine is the granted part of its machines' spec, with one shape.
	Machine infrav1.OCIMeshMachineSpec
}

// mark is the tags of the pool's instances. Users write identities, also those of other pools: an
// identity alone would have an instance count for several.
func (p Pool) mark() ownership.Mark {
	return ownership.MachinePool(p.Identity, p.Key.Namespace, p.Key.Name).Mark()
}

// grant is the last size allowed to a pool. The pool's status shows it soon.
type grant struct {
	identity string
	size     int
	// unseen are the instances missing in polls at the time: earlier polls may include some about
	// to leave the pool.
	unseen int
	at     time.Time
	// asked is set once OCI was told of the whole size. A smaller size later means that an instance
	// has left, though polls show it for a while, and not that a place was never asked for.
	asked bool
	// shape is the last one allowed to its instances; the zero shape stands for that of its status.
	shape placement.Shape
}

// Resize decides how large a pool may be, between its present size and the wanted one, and reserves
// the answer until the pool's status shows it. pool.Size is OCI's. A Refusal says why the pool
// cannot be as large as wanted. Instances that OCI keeps already are never taken back.
func (s *Scheduler) Resize(ctx context.Context, pool Pool, wanted int) (int, *Refusal, error) {
	now := s.options.Clock()
	if wanted > pool.Size {
		if err := s.learnSizes(ctx, []string{pool.Account}, pool.Key.Namespace, pool.Machine.Shapes, now); err != nil {
			return 0, nil, err
		}
	}
	s.reservations.deciding.Lock()
	defer s.reservations.deciding.Unlock()
	of, err := s.account(ctx, pool.Account)
	if err != nil {
		return 0, nil, err
	}
	cache := s.options.Pollers.Cache(of)
	granted := s.settle(pool, cache)
	if wanted <= pool.Size {
		return wanted, nil, nil
	}
	if _, polled := cache.Age(now); !polled {
		cache.Hurry()
		return 0, nil, waitFor(instancecache.Slow+time.Second, "Waiting for account %s to be polled", pool.Account)
	}
	facts := placement.Facts{Accounts: []placement.Account{{Name: pool.Account, Budget: placement.BudgetOf(of.Spec.Budget)}}}
	unseen, err := s.addUsage(ctx, pool, of, &facts)
	if err != nil {
		return 0, nil, err
	}
	if why := facts.Accounts[0].Unsized(s.shapeOf(pool)); why != "" {
		return pool.Size, s.refusePool(pool, pool.Size, wanted, infrav1.ShapeUnknownReason, why, []string{unsizedRemedy}), nil
	}
	more, why := facts.Accounts[0].Room(s.shapeOf(pool), int64(wanted-pool.Size))
	granted.size += int(more)
	if more > 0 {
		granted.unseen, granted.at, granted.asked = unseen+int(more), now, false
	}
	s.grants[pool.Key] = granted
	if why == "" {
		return granted.size, nil, nil
	}
	facts.Accounts[0].Used = append(facts.Accounts[0].Used, useBy(s.shapeOf(pool), int(more)))
	remedies := s.poolRemedies(s.shapeOf(pool), facts)
	return granted.size, s.refusePool(pool, granted.size, wanted, infrav1.BudgetExceededReason, why, remedies), nil
}

// refusePool says why a pool is smaller than wanted.
func (s *Scheduler) refusePool(pool Pool, size, wanted int, reason, why string, remedies []string) *Refusal {
	return s.refusal(reason, fmt.Sprintf("OCIAccount %s has room for %d of %d instances: %s", pool.Account, size, wanted, why), remedies)
}

// settle brings the pool's grant up to OCI's size: places granted and not asked for are free again.
func (s *Scheduler) settle(pool Pool, cache *instancecache.Cache) grant {
	granted := grant{identity: pool.Identity, size: pool.Size}
	if before := s.grants[pool.Key]; before.identity == pool.Identity && !cache.PolledSince(before.at) {
		granted.at, granted.asked = before.at, before.asked || pool.Size >= before.size
		granted.unseen = before.unseen
		if !granted.asked {
			granted.unseen = max(0, before.unseen-(before.size-pool.Size))
		}
	}
	if before := s.grants[pool.Key]; before.identity == pool.Identity && before.shape == s.reservations.shapeOf(pool.Machine, pool.Machine.Shapes[0]) {
		// It is written, and the watch may not show that yet.
		granted.shape = before.shape
	}
	if s.grants == nil {
		s.grants = map[client.ObjectKey]grant{}
	}
	s.grants[pool.Key] = granted
	return granted
}

// addUsage adds the account's use by machines and pools, this pool with OCI's size, and returns how
// many of its instances polls have yet to show.
func (s *Scheduler) addUsage(ctx context.Context, pool Pool, of *infrav1.OCIAccount, facts *placement.Facts) (unseen int, err error) {
	if err := s.observeAll(ctx); err != nil {
		return 0, err
	}
	s.reservations.addTo(facts, client.ObjectKey{}, client.ObjectKey{})
	pools, err := s.pools(ctx)
	if err != nil {
		return 0, err
	}
	others := slices.DeleteFunc(pools, func(other Pool) bool { return other.Key == pool.Key })
	return s.addStrays(ownership.Mark{}, of, &facts.Accounts[0], append(others, pool), pool.Key), nil
}

// pools are all pools in the API server. Grants of others are forgotten.
func (s *Scheduler) pools(ctx context.Context) ([]Pool, error) {
	if s.options.Pools == nil {
		return nil, nil
	}
	all, err := s.options.Pools(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing the machine pools: %w", err)
	}
	identities := map[client.ObjectKey]string{}
	for _, pool := range all {
		identities[pool.Key] = pool.Identity
		if granted, known := s.grants[pool.Key]; known && granted.shape == s.reservations.shapeOf(pool.Machine, pool.Machine.Shapes[0]) {
			granted.shape = placement.Shape{}
			s.grants[pool.Key] = granted
		}
	}
	for key, granted := range s.grants {
		if identities[key] != granted.identity {
			delete(s.grants, key)
		}
	}
	return all, nil
}

// members are a pool's instances as polls show them.
type members struct {
	live, terminating int
	// shape is that of OCI's replacements for lost instances; ending pools get none.
	shape  placement.Shape
	ending bool
}

// instead is by how much OCI's replacement of this instance would exceed it: OCI asks nobody. It is
// in no availability domain: it uses none of OCI's limits.
func (m *members) instead(use placement.Use, state oci.LifecycleState) []placement.Use {
	if m.ending || state == oci.StateTerminating {
		return nil
	}
	next := useBy(m.shape, 1)
	if next.Family == use.Family {
		next.Size = next.Size.Beyond(use.Size)
	} else {
		next.Size.VolumeGB = 0
	}
	if next.Size == (placement.Size{}) {
		return nil
	}
	return []placement.Use{next}
}

func (m *members) add(state oci.LifecycleState) {
	if state == oci.StateTerminating {
		m.terminating++
		return
	}
	m.live++
}

// unseen is how many instances of the pool may be missing in polls.
func (s *Scheduler) unseen(pool Pool, seen members, cache *instancecache.Cache) int {
	if pool.Ending {
		return max(0, pool.Size-seen.live-seen.terminating)
	}
	size, pending := pool.Size, 0
	if granted := s.grants[pool.Key]; granted.identity == pool.Identity {
		size = max(size, granted.size)
		if !cache.PolledSince(granted.at) {
			pending = granted.unseen
		}
	}
	return max(0, size-seen.live, pending)
}

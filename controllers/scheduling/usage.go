// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"context"
	"fmt"

	toolscache "k8s.io/client-go/tools/cache"
	ctrlcache "sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instancecache"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/placement"
)

// addMachines adds what is placed: the cluster's other machines, which the machine is spread among,
// and what machines of all clusters use of the accounts or have reserved.
func (s *Scheduler) addMachines(ctx context.Context, request Request, objects []infrav1.OCIAccount, facts *placement.Facts) error {
	if err := s.observeAll(ctx); err != nil {
		return err
	}
	s.reservations.addTo(facts, request.Key, request.Cluster)
	pools, err := s.pools(ctx)
	if err != nil {
		return err
	}
	for i := range facts.Accounts {
		account := &facts.Accounts[i]
		s.addStrays(request.mark(), &objects[i], account, pools, client.ObjectKey{})
		account.Used = summed(account.Used)
	}
	return nil
}

// summed are the same uses with equal ones added up: a refusal's advice adds them up many times.
func summed(uses []placement.Use) []placement.Use {
	sums := map[placement.Use]int{}
	out := uses[:0]
	for _, use := range uses {
		key := use
		key.Size = placement.Size{}
		at, known := sums[key]
		if !known {
			sums[key] = len(out)
			out = append(out, use)
			continue
		}
		out[at].Size = out[at].Size.Plus(use.Size)
	}
	return out
}

// Watch has the manager's watch keep the reservations up to date. It sees all machines, those with
// another watch label included. Call it before the manager starts.
func (s *Scheduler) Watch(ctx context.Context, informers ctrlcache.Informers) error {
	informer, err := informers.GetInformer(ctx, &infrav1.OCIMeshMachine{})
	if err != nil {
		return fmt.Errorf("watching the machines: %w", err)
	}
	observe := func(object any) {
		if machine, ok := object.(*infrav1.OCIMeshMachine); ok {
			s.reservations.observe(machine)
		}
	}
	s.watch, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    observe,
		UpdateFunc: func(_, object any) { observe(object) },
		DeleteFunc: func(object any) {
			if name, err := toolscache.DeletionHandlingObjectToName(object); err == nil {
				s.Forget(client.ObjectKey{Namespace: name.Namespace, Name: name.Name})
			}
		},
	})
	if err != nil {
		return fmt.Errorf("watching the machines: %w", err)
	}
	return nil
}

// observeAll looks at all machines where no watch shows them. With one it waits until its first
// list is taken in, which is about to happen when a controller begins to work: a decision before
// that could exceed a budget.
func (s *Scheduler) observeAll(ctx context.Context) error {
	if s.watch != nil {
		if !toolscache.WaitForCacheSync(ctx.Done(), s.watch.HasSynced) {
			return fmt.Errorf("waiting for the list of machines: %w", context.Cause(ctx))
		}
		return nil
	}
	all := &infrav1.OCIMeshMachineList{}
	if err := s.options.Client.List(ctx, all, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing the machines: %w", err)
	}
	present := map[client.ObjectKey]bool{}
	for i := range all.Items {
		present[client.ObjectKeyFromObject(&all.Items[i])] = true
		s.reservations.observe(&all.Items[i])
	}
	s.reservations.keepOnly(present)
	return nil
}

// addStrays adds what instances with a machine's or a machine pool's tag use, and no machine counts
// for: those of a machine without status, of another manager, or of a pool. They count for the
// budget, as do instances of pools not polled yet; unseen is their number for one pool.
func (s *Scheduler) addStrays(
	own ownership.Mark, of *infrav1.OCIAccount, account *placement.Account, pools []Pool, one client.ObjectKey,
) (unseen int) {
	if account.Budget.Families == nil && account.Budget.VolumeGB == nil {
		return 0
	}
	cache := s.options.Pollers.Cache(of)
	seen := map[ownership.Mark]*members{}
	for _, pool := range pools {
		if pool.Account == account.Name {
			seen[pool.mark()] = &members{shape: s.shapeOf(pool), ending: pool.Ending}
		}
	}
	for _, stray := range s.strays(account.Name, cache) {
		if own != (ownership.Mark{}) && (ownership.MachineIn(stray.Tags) == own || ownership.PoolIn(stray.Tags) == own) {
			continue
		}
		use := useOf(stray.Instance, false)
		use.Size = stray.Size
		if pool := seen[ownership.PoolIn(stray.Tags)]; pool != nil {
			pool.add(stray.State)
			use.Size.VolumeGB = pool.shape.Size.VolumeGB
			account.Used = append(account.Used, pool.instead(use, stray.State)...)
		}
		account.Used = append(account.Used, use)
	}
	for _, pool := range pools {
		if pool.Account != account.Name {
			continue
		}
		number := s.unseen(pool, *seen[pool.mark()], cache)
		if pool.Key == one {
			unseen = number
		}
		if number > 0 {
			account.Used = append(account.Used, useBy(s.shapeOf(pool), number))
		}
	}
	return unseen
}

// strayList are the strays of an account, as polls and reservations had them.
type strayList struct {
	cache     *instancecache.Cache
	polled    uint64
	moves     uint64
	instances []instancecache.Uncounted
}

// strays looks through the account's instances only if these, or the machines there, are others
// than at the decision before.
func (s *Scheduler) strays(account string, cache *instancecache.Cache) []instancecache.Uncounted {
	now := strayList{cache: cache, polled: cache.Version(), moves: s.reservations.movesIn(account)}
	if known := s.strayLists[account]; known.cache == now.cache && known.polled == now.polled && known.moves == now.moves {
		return known.instances
	}
	now.instances = cache.Uncounted(func(mark ownership.Mark) placement.Size { return s.reservations.counted(account, mark) })
	if s.strayLists == nil {
		s.strayLists = map[string]strayList{}
	}
	s.strayLists[account] = now
	return now.instances
}

// useOf is what an instance uses.
func useOf(seen oci.Instance, others bool) placement.Use {
	return placement.Use{
		AvailabilityDomain: seen.AvailabilityDomain, Family: placement.Family(seen.Shape), Others: others,
		Size: placement.SizeOf(seen.OCPUs, seen.MemoryGB),
	}
}

// useBy is what so many instances of a shape use, wherever they are.
func useBy(shape placement.Shape, number int) placement.Use {
	use := placement.Use{Family: placement.Family(shape.Name), Size: shape.Size.Times(int64(number))}
	if shape.Unsized {
		use.Unsized = shape.Name
	}
	return use
}

// limitsOf are OCI's limits of the shapes' families for the account's compartment, as the account's
// controller has read them.
func limitsOf(account *infrav1.OCIAccount, shapes []infrav1.Shape) []placement.Limit {
	var out []placement.Limit
	seen := map[string]bool{}
	for _, shape := range shapes {
		family := placement.Family(shape.Name)
		if seen[family] {
			continue
		}
		seen[family] = true
		for _, limit := range account.Status.Limits {
			found := placement.Limit{AvailabilityDomain: limit.AvailabilityDomain, Family: family}
			switch limit.Name {
			case placement.CoreLimit(family):
				found.OCPUs = boundOf(limit)
			case placement.MemoryLimit(family):
				found.MemoryGB = boundOf(limit)
			default:
				continue
			}
			out = append(out, found)
		}
	}
	return out
}

// boundOf is how much of a limit the compartment can have: what it used and what was left to it
// when both were read, which other compartments and quotas make less than the limit. Its own
// machines may come and go since: it is the sum that stays.
func boundOf(limit infrav1.ServiceLimit) *int64 {
	if limit.Value == nil || limit.Used == nil || limit.Available == nil {
		return limit.Value
	}
	return new(min(*limit.Value, *limit.Used+*limit.Available))
}

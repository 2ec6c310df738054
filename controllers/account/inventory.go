// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/placement"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/identity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/index"
)

// maxFamilies is the API's limit of status.usage.
const maxFamilies = 32

// inventory counts what is used of the account, at most once in an interval: machines come and go
// by the hundred, and each write of an account is seen by all who watch it. It asks nobody but the
// cache and the last poll.
func (r *Reconciler) inventory(ctx context.Context, s *scope) error {
	if !r.inventoried.due(s.account.UID, s.Intervals.Progress) {
		s.Requeue(s.Intervals.Progress)
		return nil
	}
	machines := &infrav1.OCIMeshMachineList{}
	if err := r.readerFor(s).List(ctx, machines, client.MatchingFields{index.MachineByAccount: s.account.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing OCIMeshMachines: %w", err)
	}
	sums := tally{ours: map[string]placement.Size{}, others: map[string]placement.Size{}}
	counted := map[ownership.Mark]placement.Size{}
	for i := range machines.Items {
		machine := &machines.Items[i]
		at := machine.Status.Placement
		sums.machines++
		size := r.sizeOf(s, machine)
		add(sums.ours, at.Shape, size)
		counted[identity.OfMachine(machine).Mark()] = size
	}
	if r.Pollers != nil {
		cache := r.Pollers.Cache(s.account)
		for _, seen := range cache.Uncounted(func(mark ownership.Mark) placement.Size { return counted[mark] }) {
			add(sums.ours, seen.Shape, seen.Size)
		}
		for _, seen := range cache.Others() {
			add(sums.others, seen.Shape, placement.SizeOf(seen.OCPUs, seen.MemoryGB))
		}
	}
	r.inventoried.mark(s.account.UID)
	sums.write(&s.account.Status, placement.BudgetOf(s.account.Spec.Budget))
	return nil
}

// sizeOf is what a machine uses. The size of a shape that is not flexible is known once a poll has
// shown the instance.
func (r *Reconciler) sizeOf(s *scope, machine *infrav1.OCIMeshMachine) placement.Size {
	shape := placement.ShapeNamed(placement.GrantedSpec(machine), machine.Status.Placement.Shape, nil)
	if !shape.Unsized || r.Pollers == nil {
		return shape.Size
	}
	if seen, known := r.Pollers.Cache(s.account).Instance(machine.Status.Instance.ID); known {
		size := placement.SizeOf(seen.OCPUs, seen.MemoryGB)
		size.VolumeGB = shape.Size.VolumeGB
		return size
	}
	return shape.Size
}

// tally is what is used, by shape family.
type tally struct {
	machines     int32
	ours, others map[string]placement.Size
	volumes      int64
}

func add(to map[string]placement.Size, shape string, size placement.Size) {
	family := placement.Family(shape)
	to[family] = to[family].Plus(size)
}

func (t *tally) write(status *infrav1.OCIAccountStatus, budget placement.Budget) {
	status.Machines = &t.machines
	status.Usage = nil
	for _, family := range t.families(budget) {
		usage := infrav1.FamilyUsage{Family: family, Used: amount(t.ours[family])}
		if others := t.others[family]; others.Instances > 0 {
			usage.Others = amount(others)
		}
		if bound, listed := budget.Families[family]; listed {
			used := t.ours[family]
			usage.Budget = infrav1.ResourceAmount{
				Instances: toInt32(bound.Instances), OCPUs: toInt32(bound.OCPUs), MemoryGB: toInt32(bound.MemoryGB),
			}
			usage.Free = infrav1.ResourceAmount{
				Instances: remaining(bound.Instances, used.Instances), OCPUs: remaining(bound.OCPUs, used.OCPUs), MemoryGB: remaining(bound.MemoryGB, used.MemoryGB),
			}
		}
		status.Usage = append(status.Usage, usage)
	}
	for _, used := range t.ours {
		t.volumes += used.VolumeGB
	}
	status.Volumes = infrav1.VolumeUsage{
		UsedGB: toInt32(&t.volumes), BudgetGB: toInt32(budget.VolumeGB), FreeGB: remaining(budget.VolumeGB, t.volumes),
	}
}

// families are those that the status has room for, by name: those of the budget before others, then
// those that are used most. Anybody can ask for strange shapes, which must hide no common one.
func (t *tally) families(budget placement.Budget) []string {
	all := map[string]bool{}
	for _, names := range []func(yield func(string) bool){maps.Keys(t.ours), maps.Keys(t.others), maps.Keys(budget.Families)} {
		for name := range names {
			if name != "" {
				all[name] = true
			}
		}
	}
	unlisted := func(family string) int {
		if _, listed := budget.Families[family]; listed {
			return 0
		}
		return 1
	}
	families := slices.SortedFunc(maps.Keys(all), func(a, b string) int {
		return cmp.Or(cmp.Compare(unlisted(a), unlisted(b)), cmp.Compare(t.ours[b].Instances, t.ours[a].Instances),
			cmp.Compare(t.others[b].Instances, t.others[a].Instances), cmp.Compare(a, b))
	})
	families = families[:min(len(families), maxFamilies)]
	slices.Sort(families)
	return families
}

func amount(size placement.Size) infrav1.ResourceAmount {
	return infrav1.ResourceAmount{
		Instances: toInt32(&size.Instances), OCPUs: toInt32(&size.OCPUs), MemoryGB: toInt32(&size.MemoryGB),
	}
}

// toInt32 is the figure as a status has it.
func toInt32(figure *int64) *int32 {
	if figure == nil {
		return nil
	}
	return ptr.To(int32(min(*figure, math.MaxInt32)))
}

func remaining(bound *int64, used int64) *int32 {
	if bound == nil {
		return nil
	}
	free := max(0, *bound-used)
	return toInt32(&free)
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"maps"
	"slices"
	"sync"

	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/placement"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/identity"
)

// reservations are the places of the machines of all clusters and their use, as sums. Each change
// of a machine corrects them: a decision costs as much among ten thousand machines as among ten. A
// placement in a machine's status is a reservation until the machine is gone, launched or not.
// Decisions are reserved here until the watch shows them. After a restart there are none: by then
// the machines' status has them all. The zero value is ready.
type reservations struct {
	// deciding is held while a machine is placed: read, decide, reserve.
	deciding sync.Mutex

	mu       sync.Mutex
	machines map[client.ObjectKey]machine
	// used is the machines' use of each account; marked is the same by the tags of their instances;
	// placed are the machines of each cluster.
	used   map[string]map[placement.Use]placement.Size
	marked map[string]map[ownership.Mark]placement.Size
	placed map[client.ObjectKey]map[placement.Placed]int
	groups groups
	// moves count, by account, the changes of use.
	moves map[string]uint64
	// sizes are those of shapes that are not flexible, as far as they are known.
	sizes placement.Sizes
}

// machine is where a machine counts.
type machine struct {
	mark    ownership.Mark
	cluster client.ObjectKey
	group   string
	// set is its MachineSet: another template makes another set.
	set string
	// leaving machines are being deleted: they count as used, but not for the spread.
	leaving bool
	// recorded is the placement in its status; reserved is a later decision.
	recorded, reserved share
	// grown is a size granted at its place, until its status shows it.
	grown placement.Size
}

// share is a placement and what the machine uses there.
type share struct {
	at   infrav1.Placement
	size placement.Size
	// unsized is set if OCPUs and memory are not known.
	unsized bool
}

func (r *reservations) shareAt(at infrav1.Placement, spec infrav1.OCIMeshMachineSpec) share {
	shape := placement.ShapeNamed(spec, at.Shape, r.sizes)
	return share{at, shape.Size, shape.Unsized}
}

// use is what the sums are kept by.
func (s share) use() placement.Use {
	use := placement.Use{AvailabilityDomain: s.at.AvailabilityDomain, Family: placement.Family(s.at.Shape)}
	if s.unsized {
		use.Unsized = s.at.Shape
	}
	return use
}

// observe takes over what a machine's object shows.
func (r *reservations) observe(object *infrav1.OCIMeshMachine) {
	r.change(client.ObjectKeyFromObject(object), func(m *machine) {
		if mark := identity.OfMachine(object).Mark(); m.mark != mark {
			*m = machine{mark: mark}
		}
		m.cluster = client.ObjectKey{Namespace: object.Namespace, Name: object.Labels[clusterv1.ClusterNameLabel]}
		m.group, m.leaving = groupOf(object.Labels), !object.DeletionTimestamp.IsZero()
		m.set = object.Labels[clusterv1.MachineSetNameLabel]
		m.recorded = r.shareAt(object.Status.Placement, placement.GrantedSpec(object))
	})
}

// grow notes a size granted to a machine at its place, until its status shows it, or another one is
// noted. The zero size is none. An unknown machine has none.
func (r *reservations) grow(key client.ObjectKey, size placement.Size) {
	r.change(key, func(m *machine) {
		if m.mark != (ownership.Mark{}) {
			m.grown = size
		}
	})
}

// giveBack lets go of a noted size.
func (r *reservations) giveBack(key client.ObjectKey) {
	r.mu.Lock()
	grown := r.machines[key].grown
	r.mu.Unlock()
	if grown != (placement.Size{}) {
		r.grow(key, placement.Size{})
	}
}

// reserve notes a decision, until the machine's status shows it or it is released.
func (r *reservations) reserve(request Request, at infrav1.Placement) {
	r.change(request.Key, func(m *machine) {
		// What was seen of it may be newer than the request.
		if m.mark == (ownership.Mark{}) {
			m.mark, m.cluster, m.group = request.mark(), request.Cluster, groupOf(request.Labels)
			m.recorded = r.shareAt(request.Recorded, request.Spec)
		}
		m.reserved = r.shareAt(at, request.Spec)
	})
}

// release takes back a decision, which will not be written.
func (r *reservations) release(key client.ObjectKey) {
	r.change(key, func(m *machine) { m.reserved = share{} })
}

// forget lets go of a machine once it is gone.
func (r *reservations) forget(key client.ObjectKey) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop(key)
}

func (r *reservations) drop(key client.ObjectKey) {
	r.count(r.machines[key], -1)
	r.moved(r.machines[key], machine{})
	delete(r.machines, key)
}

// placement is the newest known placement of the machine.
func (r *reservations) placement(key client.ObjectKey) infrav1.Placement {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.machines[key].newest().at
}

// counted is the machine's use in the account, by the tags of its instances.
func (r *reservations) counted(account string, mark ownership.Mark) placement.Size {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.marked[account][mark]
}

// keepOnly lets go of all machines but those.
func (r *reservations) keepOnly(present map[client.ObjectKey]bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key := range r.machines {
		if !present[key] {
			r.drop(key)
		}
	}
}

// addTo adds to the facts the use of all machines but one, and the places of the cluster's.
func (r *reservations) addTo(facts *placement.Facts, but, cluster client.ObjectKey) {
	r.mu.Lock()
	defer r.mu.Unlock()
	own := r.machines[but]
	r.count(own, -1)
	defer r.count(own, 1)
	for i := range facts.Accounts {
		account := &facts.Accounts[i]
		for use, size := range r.used[account.Name] {
			use.Size = size
			account.Used = append(account.Used, use)
		}
	}
	for placed, number := range r.placed[cluster] {
		placed.Number = number
		facts.Placed = append(facts.Placed, placed)
	}
}

// shapeOf is a shape of a machine with its size, as far as known.
func (r *reservations) shapeOf(spec infrav1.OCIMeshMachineSpec, shape infrav1.Shape) placement.Shape {
	r.mu.Lock()
	defer r.mu.Unlock()
	return placement.ShapeOf(spec, shape, r.sizes)
}

// unsized are the shapes of unknown size, each once.
func (r *reservations) unsized(shapes []string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.Sort(shapes)
	return slices.DeleteFunc(slices.Compact(shapes), func(name string) bool {
		_, known := r.sizes[name]
		return known || placement.IsFlexible(name)
	})
}

// unsizedThere are the machines' shapes of unknown size.
func (r *reservations) unsizedThere() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var names []string
	for _, uses := range r.used {
		for use := range uses {
			if use.Unsized != "" {
				names = append(names, use.Unsized)
			}
		}
	}
	return names
}

// learn takes over sizes of shapes, and corrects the sums of machines that have them.
func (r *reservations) learn(sizes placement.Sizes) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sizes == nil {
		r.sizes = placement.Sizes{}
	}
	maps.Copy(r.sizes, sizes)
	for key, m := range r.machines {
		recorded, reserved := m.recorded.sized(sizes), m.reserved.sized(sizes)
		if recorded != m.recorded || reserved != m.reserved {
			before := m
			r.count(m, -1)
			m.recorded, m.reserved = recorded, reserved
			r.machines[key] = m
			r.count(m, 1)
			r.moved(before, m)
		}
	}
}

// sized is the share with OCPUs and memory, if these are told now.
func (s share) sized(sizes placement.Sizes) share {
	size, told := sizes[s.at.Shape]
	if s.unsized && told {
		s.size.OCPUs, s.size.MemoryGB, s.unsized = size.OCPUs, size.MemoryGB, false
	}
	return s
}

func (r *reservations) change(key client.ObjectKey, change func(*machine)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.machines[key]
	before := m
	r.count(m, -1)
	change(&m)
	if m.reserved.at.Attempt <= m.recorded.at.Attempt {
		m.reserved = share{}
	}
	if m.grown.Beyond(m.recorded.size) == (placement.Size{}) {
		m.grown = placement.Size{}
	}
	if r.machines == nil {
		r.machines = map[client.ObjectKey]machine{}
	}
	r.machines[key] = m
	r.count(m, 1)
	r.moved(before, m)
}

// moved notes the accounts in which the use of a machine has changed.
func (r *reservations) moved(before, after machine) {
	if r.moves == nil {
		r.moves = map[string]uint64{}
	}
	for _, m := range []machine{before, after} {
		for _, s := range m.shares() {
			if account := s.at.Account; before.sizeIn(account) != after.sizeIn(account) || before.mark != after.mark {
				r.moves[account]++
			}
		}
	}
}

// shares are the machine's use: in both places while it moves, and with the larger size while it
// grows.
func (m machine) shares() [2]share {
	recorded := m.recorded
	recorded.size = recorded.size.Plus(m.grown.Beyond(recorded.size))
	return [2]share{recorded, m.reserved}
}

// sizeIn is the machine's use in the account.
func (m machine) sizeIn(account string) placement.Size {
	var size placement.Size
	for _, s := range m.shares() {
		if s.at.Account == account {
			size = size.Plus(s.size)
		}
	}
	return size
}

// movesIn changes with the use in the account.
func (r *reservations) movesIn(account string) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.moves[account]
}

// count adds the machine to the sums, or takes it away.
func (r *reservations) count(m machine, sign int) {
	if r.used == nil {
		r.used, r.marked = map[string]map[placement.Use]placement.Size{}, map[string]map[ownership.Mark]placement.Size{}
		r.placed = map[client.ObjectKey]map[placement.Placed]int{}
	}
	r.groups.count(m, sign)
	// Until a move is written the machine may be launched in either place.
	for _, s := range m.shares() {
		if s.at.Account == "" {
			continue
		}
		sum(inner(r.used, s.at.Account), s.use(), s.size.Times(int64(sign)))
		sum(inner(r.marked, s.at.Account), m.mark, s.size.Times(int64(sign)))
	}
	if at := m.newest().at; at.Account != "" && !m.leaving {
		add(inner(r.placed, m.cluster), placement.Placed{
			Group: m.group, Account: at.Account, AvailabilityDomain: at.AvailabilityDomain, FaultDomain: at.FaultDomain,
		}, sign)
	}
}

// newest is the reserved decision, or else the recorded placement.
func (m machine) newest() share {
	if m.reserved.at.Account != "" {
		return m.reserved
	}
	return m.recorded
}

// inner is the map within the map, made when it is missing.
func inner[K, L comparable, V any](of map[K]map[L]V, key K) map[L]V {
	if of[key] == nil {
		of[key] = map[L]V{}
	}
	return of[key]
}

// sum adds up, and keeps nothing that is 0.
func sum[K comparable](sums map[K]placement.Size, key K, size placement.Size) {
	if sums[key] = sums[key].Plus(size); sums[key] == (placement.Size{}) {
		delete(sums, key)
	}
}

// add counts, and keeps nothing that is 0.
func add[K comparable](counts map[K]int, key K, by int) {
	if counts[key] += by; counts[key] == 0 {
		delete(counts, key)
	}
}

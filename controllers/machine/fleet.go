// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"sync"

	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/placement"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/identity"
)

// fleet knows where the machines of all clusters are and what they use, as sums that each change of
// a machine corrects, so that a decision costs as much among ten thousand machines as among ten. A
// placement in a machine's status is a reservation, whether the instance is launched or not, until
// the machine is gone. Decisions that the watch does not show yet are booked here; after a restart
// there are none, and what counts by then is in the machines' status. The zero value is ready.
type fleet struct {
	// deciding is held while a machine is placed: read, decide, book.
	deciding sync.Mutex

	mu        sync.Mutex
	residents map[client.ObjectKey]resident
	// used is what machines use of each account; marked is that by what instances of theirs are
	// tagged with; placed are those of each cluster.
	used   map[string]map[placement.Use]placement.Size
	marked map[string]map[ownership.Mark]placement.Size
	placed map[client.ObjectKey]map[placement.Placed]int
}

// resident is a machine and where it counts.
type resident struct {
	mark    ownership.Mark
	cluster client.ObjectKey
	group   string
	// leaving says that it is being deleted: it uses what it uses, but for the spread it has left.
	leaving bool
	// written is what its status shows; booked is what was decided after that.
	written, booked stay
}

// stay is a placement and what the machine uses there.
type stay struct {
	at   infrav1.Placement
	size placement.Size
}

func stayAt(at infrav1.Placement, spec infrav1.OCIMeshMachineSpec) stay {
	return stay{at, placement.ShapeNamed(spec, at.Shape).Size}
}

// see takes over what a machine's object shows.
func (f *fleet) see(machine *infrav1.OCIMeshMachine) {
	f.change(client.ObjectKeyFromObject(machine), func(r *resident) { r.show(machine) })
}

func (r *resident) show(machine *infrav1.OCIMeshMachine) {
	if mark := identity.OfMachine(machine).Mark(); r.mark != mark {
		*r = resident{mark: mark}
	}
	r.cluster = client.ObjectKey{Namespace: machine.Namespace, Name: machine.Labels[clusterv1.ClusterNameLabel]}
	r.group, r.leaving = groupOf(machine.Labels), !machine.DeletionTimestamp.IsZero()
	r.written = stayAt(machine.Status.Placement, machine.Spec)
}

// book notes a decision, until the machine's status shows it or it is cancelled.
func (f *fleet) book(machine *infrav1.OCIMeshMachine, at infrav1.Placement) {
	f.change(client.ObjectKeyFromObject(machine), func(r *resident) {
		// What was seen of it may be newer than what this pass was given.
		if r.mark == (ownership.Mark{}) {
			r.show(machine)
		}
		r.booked = stayAt(at, machine.Spec)
	})
}

// cancel takes back a decision that will not be written.
func (f *fleet) cancel(key client.ObjectKey) {
	f.change(key, func(r *resident) { r.booked = stay{} })
}

// forget lets go of a machine that is gone.
func (f *fleet) forget(key client.ObjectKey) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count(f.residents[key], -1)
	delete(f.residents, key)
}

// where is the newest placement of the machine that is known.
func (f *fleet) where(key client.ObjectKey) infrav1.Placement {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.residents[key].newest().at
}

// counted is what the machine that instances are tagged with counts for in the account.
func (f *fleet) counted(account string, mark ownership.Mark) placement.Size {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.marked[account][mark]
}

// keepOnly lets go of all machines but those.
func (f *fleet) keepOnly(present map[client.ObjectKey]bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for key, r := range f.residents {
		if !present[key] {
			f.count(r, -1)
			delete(f.residents, key)
		}
	}
}

// tell adds to the facts what all machines but one use of the accounts, and where the cluster's
// are.
func (f *fleet) tell(facts *placement.Facts, but, cluster client.ObjectKey) {
	f.mu.Lock()
	defer f.mu.Unlock()
	own := f.residents[but]
	f.count(own, -1)
	defer f.count(own, 1)
	for i := range facts.Accounts {
		account := &facts.Accounts[i]
		for use, size := range f.used[account.Name] {
			use.Size = size
			account.Used = append(account.Used, use)
		}
	}
	for placed, number := range f.placed[cluster] {
		placed.Number = number
		facts.Placed = append(facts.Placed, placed)
	}
}

func (f *fleet) change(key client.ObjectKey, change func(*resident)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.residents[key]
	f.count(r, -1)
	change(&r)
	if r.booked.at.Attempt <= r.written.at.Attempt {
		r.booked = stay{}
	}
	if f.residents == nil {
		f.residents = map[client.ObjectKey]resident{}
	}
	f.residents[key] = r
	f.count(r, 1)
}

// count adds the machine to the sums, or takes it away.
func (f *fleet) count(r resident, sign int) {
	if f.used == nil {
		f.used, f.marked = map[string]map[placement.Use]placement.Size{}, map[string]map[ownership.Mark]placement.Size{}
		f.placed = map[client.ObjectKey]map[placement.Placed]int{}
	}
	// A machine that moves from one place to another may be launched in either until that is
	// written.
	for _, s := range []stay{r.written, r.booked} {
		if s.at.Account == "" {
			continue
		}
		use := placement.Use{AvailabilityDomain: s.at.AvailabilityDomain, Family: placement.Family(s.at.Shape)}
		sum(inner(f.used, s.at.Account), use, s.size.Times(int64(sign)))
		sum(inner(f.marked, s.at.Account), r.mark, s.size.Times(int64(sign)))
	}
	if at := r.newest().at; at.Account != "" && !r.leaving {
		add(inner(f.placed, r.cluster), placement.Placed{
			Group: r.group, Account: at.Account, AvailabilityDomain: at.AvailabilityDomain, FaultDomain: at.FaultDomain,
		}, sign)
	}
}

// newest is the decision that was booked, or what is written if there is none.
func (r resident) newest() stay {
	if r.booked.at.Account != "" {
		return r.booked
	}
	return r.written
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

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"sync"
	"time"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/placement"
)

const (
	// listLag is for how long a list may not show an instance that was just launched.
	listLag = 30 * time.Second
	// retention is for how long an instance that is no longer listed is remembered.
	retention = time.Hour
)

// Change is something that a reconciler has not seen yet.
type Change struct {
	// Account is the account's name.
	Account string
	// InstanceID is the OCID of the instance that changed; empty if the change is not about one.
	InstanceID string
	// Machine is the namespace and name, with a slash between them, of the machine that waits for
	// the change, or that the instance is tagged with. Empty with an empty InstanceID: the account
	// answers again, or no longer does.
	Machine string
	// MachinePool is the namespace and name, with a slash between them, of the machine pool that
	// the instance is tagged with.
	MachinePool string
	// All says that nothing that is known of the account's machines is to be believed any more, or
	// that all is again.
	All bool
}

// Sighting is what is known of an instance.
type Sighting struct {
	oci.Instance
	// Listed is false if the last complete list did not show the instance, or none ever did: it may
	// be gone, or new.
	Listed bool
	// Since is from when on it was in this state, as far as was seen: when the first list was begun
	// that has shown it, or when a call did.
	Since time.Time
}

// Book is what is known of one account's instances with a machine's or a machine pool's tag. It is
// safe for concurrent use.
type Book struct {
	account string
	// asked is called, without the lock, when the next poll may be due earlier than it was.
	asked func()

	mu        sync.Mutex
	instances map[string]*record
	// strangers are what the last complete list has shown of instances without a machine's tag.
	strangers []oci.Instance
	// version counts what was taken over of instances.
	version uint64
	// began is when the last complete poll was begun, ended when it was complete, started when the
	// last one of any end was begun.
	began, ended, started time.Time
	// underway says that a poll is, hurried that the next one is due at once.
	underway, hurried bool
	// failure is what the last poll ended with, failures how many have since the last complete one.
	failure  error
	failures int
	// told says that machines were woken to see the failure.
	told bool
	// waiting are the machines that wait for a poll begun after a time.
	waiting map[string]time.Time
	// changed is when an instance that somebody asked for changed last.
	changed time.Time
}

type record struct {
	instance oci.Instance
	// seen is when what is known was true: when its list was begun, or when it was noted.
	seen time.Time
	// since is the first such time of its state.
	since time.Time
	// noted says that a call rather than a list has shown it; missing that a complete list did not
	// show it.
	noted, missing bool
	// ours says that a reconciler of this process asked for it: the compartment may hold other
	// managers' machines.
	ours bool
	// addresses is how far the search for its addresses is.
	addresses addresses
}

// NewBook is the empty book of an account. asked is called when somebody asks for what polls have
// not shown yet, so that the next one may be due earlier; it must not call the Book.
func NewBook(account string, asked func()) *Book {
	return &Book{account: account, asked: asked, instances: map[string]*record{}, waiting: map[string]time.Time{}}
}

// Instance returns what is known of an instance; known is false if nothing is.
func (b *Book) Instance(id string) (seen Sighting, known bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.instances[id]
	if r == nil {
		return Sighting{}, false
	}
	r.ours = true
	return Sighting{Instance: r.instance, Listed: !r.missing, Since: r.since}, true
}

// Tagged lists the instances of a machine or of a machine pool, those that are TERMINATED included
// and those that are missing from the last complete list left out.
func (b *Book) Tagged(uid string) []oci.Instance {
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []oci.Instance
	for _, r := range b.instances {
		if ownerOf(r.instance) == uid && !r.missing {
			r.ours = true
			found = append(found, r.instance)
		}
	}
	return found
}

// ownerOf is the UID that an instance is tagged with; empty if it is neither a machine's nor a
// machine pool's.
func ownerOf(instance oci.Instance) string {
	if uid := instance.Tags[infrav1.MachineUIDTag]; uid != "" {
		return uid
	}
	return instance.Tags[infrav1.MachinePoolUIDTag]
}

// Uncounted is an instance and what it uses that no machine counts for.
type Uncounted struct {
	oci.Instance
	Size placement.Size
}

// Uncounted lists the instances with a machine's or a machine pool's tag that are not TERMINATED,
// as far as lists show them, and use more than is counted for the machine that they are tagged
// with: that machine is not in sight, has another instance, or says that it is smaller. Users can
// write all of that. The tag of a pool's instance names no machine: those are all uncounted.
func (b *Book) Uncounted(counted func(ownership.Mark) placement.Size) []Uncounted {
	b.mu.Lock()
	defer b.mu.Unlock()
	left := map[ownership.Mark]placement.Size{}
	var uncounted []Uncounted
	for _, r := range b.instances {
		if r.missing || r.instance.State == oci.StateTerminated {
			continue
		}
		mark, size := ownership.MachineIn(r.instance.Tags), placement.SizeOf(r.instance.OCPUs, r.instance.MemoryGB)
		rest, begun := left[mark]
		if !begun {
			rest = counted(mark)
		}
		left[mark] = rest.Beyond(size)
		if size = size.Beyond(rest); size != (placement.Size{}) {
			uncounted = append(uncounted, Uncounted{r.instance, size})
		}
	}
	return uncounted
}

// Version changes with what is known of instances: what was derived from it holds as long as the
// version does.
func (b *Book) Version() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.version
}

// Claimed lists the instances with a machine's or a machine pool's tag that are there to stay, as
// of the last complete list: neither on their way out nor missing. began is when that list was
// begun; zero if there was none.
func (b *Book) Claimed() (instances []oci.Instance, began time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.instances {
		if !r.missing && r.instance.State != oci.StateTerminating && r.instance.State != oci.StateTerminated {
			instances = append(instances, r.instance)
		}
	}
	return instances, b.began
}

// Others lists the instances of others in the compartment that are not TERMINATED. Only place,
// shape and size of them are known.
func (b *Book) Others() []oci.Instance {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.strangers
}

// Note takes over what a call about one instance has answered at the time, so that it is not
// forgotten until lists show it.
func (b *Book) Note(instance oci.Instance, now time.Time) {
	defer b.asked()
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.instances[instance.ID]
	if r == nil {
		r = &record{}
		b.instances[instance.ID] = r
	}
	if r.instance.State != instance.State {
		b.changed, r.since = now, now
	}
	r.instance, r.seen, r.noted, r.missing, r.ours = instance, now, true, false, true
	b.version++
}

// PolledSince tells whether a list that was begun at or after the time was read to its end.
func (b *Book) PolledSince(since time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.began.IsZero() && !b.began.Before(since)
}

// Await asks for a poll that is begun at or after the time, and for a Change with the machine once
// it has ended, well or not.
func (b *Book) Await(machine string, since time.Time) {
	defer b.asked()
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, known := b.waiting[machine]; !known {
		b.waiting[machine] = since
	}
}

// Hurry makes the next poll due at once: the account may answer differently from now on.
func (b *Book) Hurry() {
	defer b.asked()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hurried = true
}

// Age is for how long nothing newer is known; ok is false before the first complete poll.
func (b *Book) Age(now time.Time) (age time.Duration, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return now.Sub(b.began), !b.began.IsZero()
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package instancecache

import (
	"sync"
	"time"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/placement"
)

const (
	// listLag is how long a list may miss a newly launched instance.
	listLag = 30 * time.Second
	// retention is how long an unlisted instance is remembered.
	retention = time.Hour
)

// Change is news for a reconciler.
type Change struct {
	// Account is the account's name.
	Account string
	// InstanceID is the OCID of the changed instance; empty if the change is not about one.
	InstanceID string
	// Machine is the namespace/name of the machine waiting for the change, or of the machine in the
	// instance's tag. Empty with an empty InstanceID: the account answers again, or no longer does.
	Machine string
	// MachinePool is the namespace/name of the machine pool in the instance's tag.
	MachinePool string
	// All is set when the facts about the account's machines stop being trustworthy, or become so
	// again.
	All bool
}

// Sighting holds the known facts about an instance.
type Sighting struct {
	oci.Instance
	// Listed is false if the last complete list did not show the instance, or none ever did: it may
	// be gone, or new.
	Listed bool
	// Since is the earliest known time of this state: the start of the first list that showed it,
	// or the time of a call that did.
	Since time.Time
}

// Cache holds one account's instances with a machine's or a machine pool's tag. It is safe for
// concurrent use.
type Cache struct {
	account string
	// asked is called, without the lock, when the next poll may be due earlier than it was.
	asked func()

	mu        sync.Mutex
	instances map[string]*record
	// strangers are the instances without a machine's tag in the last complete list.
	strangers []oci.Instance
	// version counts what was taken over of instances.
	version uint64
	// began is when the last complete poll was begun, ended when it was complete, started when the
	// last one of any end was begun.
	began, ended, started time.Time
	// underway is set during a poll, hurried when the next one is due at once.
	underway, hurried bool
	// failure is the last poll's error, failures the number of failed polls since the last complete
	// one.
	failure  error
	failures int
	// told is set once machines were woken to see the failure.
	told bool
	// waiting are the machines waiting for a poll begun after a time.
	waiting map[string]time.Time
	// changed is the time of the last change of a requested instance.
	changed time.Time
}

type record struct {
	instance oci.Instance
	// seen is the time of the facts: the start of their list, or the time of the call.
	seen time.Time
	// since is the first such time of its state.
	since time.Time
	// noted is set if a call rather than a list showed it; missing if a complete list did not show
	// it; absent if two in a row did not, or one did not after it was on its way out.
	noted, missing, absent bool
	// ours is set if a reconciler of this process asked for it: the compartment may hold other
	// managers' machines.
	ours bool
	// joining is set while the instance is looked for on its tailnet, where it shows up once it
	// runs.
	joining bool
	// addresses is the progress of the search for its addresses.
	addresses addresses
	// booted is set once Booted has told that it runs.
	booted bool
}

// New returns the empty cache of an account. asked is called when a caller needs facts no poll
// has shown yet, so the next one may be due earlier; it must not call the Cache.
func New(account string, asked func()) *Cache {
	return &Cache{account: account, asked: asked, instances: map[string]*record{}, waiting: map[string]time.Time{}}
}

// Instance returns the known facts about an instance; known is false if there are none.
func (c *Cache) Instance(id string) (seen Sighting, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.instances[id]
	if r == nil {
		return Sighting{}, false
	}
	r.ours = true
	return Sighting{Instance: r.instance, Listed: !r.missing, Since: r.since}, true
}

// Tagged lists the instances of a machine or of a machine pool, including TERMINATED ones and
// excluding those missing from the last complete list.
func (c *Cache) Tagged(uid string) []oci.Instance {
	c.mu.Lock()
	defer c.mu.Unlock()
	var found []oci.Instance
	for _, r := range c.instances {
		if ownerOf(r.instance) == uid && !r.missing {
			r.ours = true
			found = append(found, r.instance)
		}
	}
	return found
}

// ownerOf is the UID in an instance's tag; empty if it is neither a machine's nor a machine pool's.
func ownerOf(instance oci.Instance) string {
	if uid := instance.Tags[infrav1.MachineUIDTag]; uid != "" {
		return uid
	}
	return instance.Tags[infrav1.MachinePoolUIDTag]
}

// Uncounted is an instance and its use not counted for any machine.
type Uncounted struct {
	oci.Instance
	Size placement.Size
}

// Uncounted lists the not TERMINATED instances with a machine's or a machine pool's tag and a
// larger use than counted for the machine in the tag: the machine is unknown, has another instance,
// or claims to be smaller. Users can write all of this. The tag of a pool's instance names no
// machine: those are all uncounted. One that a single list leaves out is still there, for all that
// is known, unless it was on its way out. Nobody may ask for it, so that it counts no more once the
// next list leaves it out, too.
func (c *Cache) Uncounted(counted func(ownership.Mark) placement.Size) []Uncounted {
	c.mu.Lock()
	defer c.mu.Unlock()
	left := map[ownership.Mark]placement.Size{}
	var uncounted []Uncounted
	for _, r := range c.instances {
		if r.absent || r.instance.State == oci.StateTerminated {
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
func (c *Cache) Version() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.version
}

// Claimed lists the lasting instances with a machine's or a machine pool's tag, as of the last
// complete list: neither on their way out nor missing. began is the start of this list; zero if
// there was none.
func (c *Cache) Claimed() (instances []oci.Instance, began time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.instances {
		if !r.missing && !r.instance.State.IsEnding() {
			instances = append(instances, r.instance)
		}
	}
	return instances, c.began
}

// Others lists the not TERMINATED instances of others in the compartment. Only their place, shape
// and size are known.
func (c *Cache) Others() []oci.Instance {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.strangers
}

// Note records a call's answer about one instance, with its time, and keeps it until lists show it.
func (c *Cache) Note(instance oci.Instance, now time.Time) {
	defer c.asked()
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.instances[instance.ID]
	if r == nil {
		r = &record{}
		c.instances[instance.ID] = r
	}
	if r.instance.State != instance.State {
		c.changed, r.since, r.joining = now, now, false
	}
	r.instance, r.seen, r.noted, r.missing, r.absent, r.ours = instance, now, true, false, false, true
	c.version++
}

// Joining says that the instance was launched and is looked for on its tailnet: polls leave it
// time to boot.
func (c *Cache) Joining(id string) {
	defer c.asked()
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.instances[id]; r != nil {
		r.joining = onItsWay(r.instance.State)
	}
}

// JoiningSince is when an instance that is Joining was launched; zero for any other.
func (c *Cache) JoiningSince(id string) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.instances[id]; r != nil && r.joining {
		return r.since
	}
	return time.Time{}
}

// Joined says that a Joining instance has shown up on its tailnet and so runs: the machine waits
// for a poll that says so.
func (c *Cache) Joined(id, machine string, now time.Time) {
	c.mu.Lock()
	r := c.instances[id]
	looked := r != nil && r.joining
	if looked {
		r.joining = false
	}
	c.mu.Unlock()
	if looked {
		c.Await(machine, now)
	}
}

// PolledSince tells whether a list begun at or after the time was read to its end.
func (c *Cache) PolledSince(since time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.began.IsZero() && !c.began.Before(since)
}

// Await asks for a poll begun at or after the time, and for a Change with the machine once it has
// ended, successfully or not.
func (c *Cache) Await(machine string, since time.Time) {
	defer c.asked()
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.waiting[machine]; !known {
		c.waiting[machine] = since
	}
}

// Hurry makes the next poll due at once: the account may answer differently from now on.
func (c *Cache) Hurry() {
	defer c.asked()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hurried = true
}

// Age is the time since the last complete list was begun; ok is false before the first one.
func (c *Cache) Age(now time.Time) (age time.Duration, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return now.Sub(c.began), !c.began.IsZero()
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package strays decides when something that carries this provider's tags counts as belonging to no
// object. It asks nobody: a controller tells it what it has seen without an object, and whether the
// API server has none.
//
// An object that is being made, deleted or moved is not seen for a moment, in a cache above all. So
// a suspect counts only once it was seen without an object several times and for a while, and the
// API server itself knew of no object then. A process that has just begun has seen nothing yet, and
// a manager of one namespace may not look for the objects of others: what they do not know is as
// the status tells, which other managers write too.
package strays

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// Named is how many strays a status names: the API's limit.
const Named = 16

const (
	// maxAsked bounds how many suspects are asked for at one look. The others' turn comes with the
	// next ones.
	maxAsked = 100
	// recheck is how often the API server is asked again for the object of a stray. An object that
	// comes back is mostly seen in a cache before.
	recheck = time.Hour
)

// Policy is what makes a stray of a suspect.
type Policy struct {
	// Looks is how often it must be seen without an object, Age for how long.
	Looks int
	Age   time.Duration
	// Hold tells which are not asked for yet, since their object may only have lost its record. Nil
	// holds none.
	Hold func(id string) bool
}

func (p Policy) holds(id string) bool { return p.Hold != nil && p.Hold(id) }

// Stray is something without an object.
type Stray struct {
	ID string
	// Since is when it was first seen without one.
	Since time.Time
}

// Told is what a status tells of strays.
type Told struct {
	// Count is how many there are, Named since when those are that it names.
	Count int
	Named map[string]time.Time
	// Group tells in whose view a stray is; nil if all are in everybody's. Groups take turns, so
	// that a status with room for a few names some of each: of what it only counts, no manager
	// knows whether its own are among it.
	Group func(id string) string
}

// Watch keeps what was seen without an object, by the account or tailnet that it was seen in. The
// zero value is ready, and safe for concurrent use.
type Watch struct {
	mu   sync.Mutex
	seen map[types.UID]*view
}

type view struct {
	last     time.Time
	suspects map[string]*suspect
}

type suspect struct {
	since time.Time
	looks int
	// asked is when the API server had no object for it; zero if it was not asked yet.
	asked time.Time
	// owned says that the API server had one when it was asked last, hidden that it did not let
	// this process look.
	owned, hidden bool
}

// Fresh tells whether a look of the time is newer than the last one.
func (w *Watch) Fresh(in types.UID, at time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := w.seen[in]
	return v == nil || at.After(v.last)
}

// Look takes over all that was seen without an object at the time, and returns those that the API
// server is to be asked for now: Owned and Alone tell what it said.
func (w *Watch) Look(in types.UID, at time.Time, policy Policy, ids []string) (ask []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seen == nil {
		w.seen = map[types.UID]*view{}
	}
	before := w.seen[in]
	if before == nil {
		before = &view{}
	}
	v := &view{last: at, suspects: make(map[string]*suspect, len(ids))}
	w.seen[in] = v
	for _, id := range ids {
		s := before.suspects[id]
		if s == nil {
			s = &suspect{since: at}
		}
		s.looks++
		v.suspects[id] = s
		if s.looks >= policy.Looks && at.Sub(s.since) >= policy.Age && (s.asked.IsZero() || at.Sub(s.asked) >= recheck) && !policy.holds(id) {
			ask = append(ask, id)
		}
	}
	slices.SortFunc(ask, func(a, b string) int {
		return cmp.Or(v.suspects[a].asked.Compare(v.suspects[b].asked), v.suspects[a].since.Compare(v.suspects[b].since), cmp.Compare(a, b))
	})
	return ask[:min(maxAsked, len(ask))]
}

// Owned says that the API server had an object for a suspect: its time begins anew.
func (w *Watch) Owned(in types.UID, id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if v := w.seen[in]; v != nil && v.suspects[id] != nil {
		v.suspects[id] = &suspect{since: v.last, owned: true}
	}
}

// Hidden says that the API server did not let this process look for the object of a suspect: its
// time begins anew.
func (w *Watch) Hidden(in types.UID, id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if v := w.seen[in]; v != nil && v.suspects[id] != nil {
		v.suspects[id] = &suspect{since: v.last, hidden: true}
	}
}

// Alone says that the API server had no object for a suspect at the time: it is a stray.
func (w *Watch) Alone(in types.UID, id string, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if v := w.seen[in]; v != nil && v.suspects[id] != nil {
		v.suspects[id].asked, v.suspects[id].owned, v.suspects[id].hidden = at, false, false
	}
}

// All are the strays, those first that were seen first in their groups, how many there are, and how
// many suspects there are besides. A status names some of many and counts the others: as many as it
// counts may be among those that this process does not know about, and stay counted.
func (w *Watch) All(in types.UID, told Told) (strays []Stray, count, suspects int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := w.seen[in]
	if v == nil {
		return nil, 0, 0
	}
	var unnamed, unknown int
	for id, s := range v.suspects {
		since, known := told.Named[id]
		switch {
		case s.owned:
		case known:
			strays = append(strays, Stray{ID: id, Since: since})
		case !s.asked.IsZero():
			strays = append(strays, Stray{ID: id, Since: s.since})
			unnamed++
		default:
			unknown++
			if !s.hidden {
				suspects++
			}
		}
	}
	slices.SortFunc(strays, func(a, b Stray) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID)) })
	takeTurns(strays, told.Group)
	counted := min(told.Count-len(told.Named), unnamed+unknown)
	return strays, len(strays) + max(0, counted-unnamed), suspects
}

// takeTurns has the first of each group before the second of any.
func takeTurns(strays []Stray, group func(id string) string) {
	if group == nil {
		return
	}
	sizes, turns := map[string]int{}, make(map[string]int, len(strays))
	for _, s := range strays {
		of := group(s.ID)
		turns[s.ID] = sizes[of]
		sizes[of]++
	}
	slices.SortStableFunc(strays, func(a, b Stray) int { return cmp.Compare(turns[a.ID], turns[b.ID]) })
}

// Forget forgets an account or tailnet that is gone.
func (w *Watch) Forget(in types.UID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.seen, in)
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"context"
	"crypto/rsa"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"sync"
	"sync/atomic"
	"time"
)

// Delays are the times of life cycles.
type Delays struct {
	// Provision is PROVISIONING to STARTING, Start is STARTING to RUNNING.
	Provision, Start time.Duration
	// Stop is STOPPING to STOPPED, Terminate is TERMINATING to TERMINATED.
	Stop, Terminate time.Duration
	// Network is how long networks and load balancers take to come and to go.
	Network time.Duration
	// Volume is how long volumes and attachments take to come and to go.
	Volume time.Duration
	// Retention is how long TERMINATED resources stay listed.
	Retention time.Duration
	// ListLag is how long a list misses a new resource.
	ListLag time.Duration
}

// DefaultDelays are short ones, for demos and tests on the real clock.
func DefaultDelays() Delays {
	return Delays{
		Provision: 300 * time.Millisecond, Start: 300 * time.Millisecond,
		Stop: 300 * time.Millisecond, Terminate: 300 * time.Millisecond,
		Network: 50 * time.Millisecond, Volume: 100 * time.Millisecond,
		Retention: 5 * time.Minute,
	}
}

// Config configures a World.
type Config struct {
	Tenancies []*Tenancy
	Clock     Clock
	Delays    Delays
	// PageSize is the largest page of a list, whatever limit the caller asks for.
	PageSize int
	Booter   Booter
	// PublicIPs is where public addresses come from.
	PublicIPs netip.Prefix
	// Variety varies the answers.
	Variety Variety
}

// World holds all tenancies and their common state.
type World struct {
	clock    Clock
	delays   Delays
	pageSize int
	booter   Booter
	variety  Variety
	states   []*State

	Faults *Faults
	Calls  *CallLog

	// publicIPs counts the public addresses handed out of the range: there is one Internet for all
	// tenancies.
	publicRange netip.Prefix
	publicIPs   atomic.Uint32

	// skew is how far the clock for judging signatures is ahead, in nanoseconds.
	skew atomic.Int64

	// done is closed by Close.
	done chan struct{}
	once sync.Once
}

// State is one tenancy while the simulator runs.
type State struct {
	world  *World
	config *Tenancy
	name   string

	mu       sync.Mutex
	sequence int
	items    map[string]stored
	kinds    map[reflect.Type][]stored
	retries  map[string]retry
	capacity map[CapacityKey]int
	limits   map[string]int64
	quotas   map[string]map[string]int64
	users    map[string]*User
	boots    map[string]func()
	// ends are closed when the booter has been told of the instance's last end.
	ends map[string]chan struct{}
	// consoles are the texts on instances' serial consoles.
	consoles   map[string]string
	services   []Service
	throttle   *bucket
	createTime time.Time
	// others are the resources of other people, by OCID, as they were made.
	others map[string]string
	// refusesWhileScaling is set by RefuseWhileScaling.
	refusesWhileScaling bool
	// failing is the error for the load balancer's work request started by the present call.
	failing *Error
}

// SetSkew sets how far the clock for judging the dates of requests is ahead of the wall clock.
func (w *World) SetSkew(skew time.Duration) { w.skew.Store(int64(skew)) }

// WallClock judges the dates of requests.
func (w *World) WallClock() time.Time { return time.Now().Add(time.Duration(w.skew.Load())) }

// NewWorld completes the tenancies and builds their states.
func NewWorld(config Config) (*World, error) {
	world := &World{
		clock: config.Clock, delays: config.Delays, pageSize: config.PageSize, booter: config.Booter,
		publicRange: config.PublicIPs, variety: config.Variety,
		Faults: &Faults{}, Calls: &CallLog{}, done: make(chan struct{}),
	}
	seen := map[string]bool{}
	for _, tenancy := range config.Tenancies {
		if err := tenancy.Complete(); err != nil {
			return nil, err
		}
		if seen[tenancy.Name] || seen[tenancy.OCID] {
			return nil, fmt.Errorf("two tenancies share the name %q or the OCID %q", tenancy.Name, tenancy.OCID)
		}
		seen[tenancy.Name], seen[tenancy.OCID] = true, true
		world.states = append(world.states, newState(world, tenancy))
	}
	return world, nil
}

func newState(world *World, tenancy *Tenancy) *State {
	state := &State{
		world: world, config: tenancy, name: tenancy.Name,
		items: map[string]stored{}, kinds: map[reflect.Type][]stored{}, retries: map[string]retry{},
		capacity: maps.Clone(tenancy.Capacity), limits: DefaultLimits(), quotas: maps.Clone(tenancy.Quotas),
		users: map[string]*User{}, boots: map[string]func(){}, ends: map[string]chan struct{}{}, consoles: map[string]string{},
		services:   servicesOf(tenancy.Region),
		throttle:   newBucket(tenancy.RequestRate, tenancy.RequestBurst, world.clock),
		createTime: world.clock.Now(),
	}
	if state.capacity == nil {
		state.capacity = map[CapacityKey]int{}
	}
	if state.quotas == nil {
		state.quotas = map[string]map[string]int64{}
	}
	maps.Copy(state.limits, tenancy.Limits)
	for _, user := range tenancy.Users {
		state.users[user.OCID] = &User{OCID: user.OCID, Keys: maps.Clone(user.Keys), Compartments: user.Compartments}
	}
	for _, spec := range tenancy.Images {
		put(state, state.newImage(spec))
	}
	if tenancy.Inhabited {
		// Life cycles begin at once.
		state.Do(state.inhabit)
	}
	return state
}

// Tenancy finds a state by the tenancy's name or OCID.
func (w *World) Tenancy(nameOrOCID string) (*State, error) {
	for _, state := range w.states {
		if state.name == nameOrOCID || state.config.OCID == nameOrOCID {
			return state, nil
		}
	}
	return nil, fmt.Errorf("the simulator has no tenancy %q", nameOrOCID)
}

// States returns all tenancies in the order they were given.
func (w *World) States() []*State { return w.states }

// Now is the simulation's time.
func (w *World) Now() time.Time { return w.clock.Now() }

// Close ends all life cycles: functions still due are dropped, and the contexts of running booters
// end.
func (w *World) Close() { w.once.Do(func() { close(w.done) }) }

func (w *World) isClosed() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

// life returns a context ending with the world, or before it with cancel.
func (w *World) life() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		select {
		case <-w.done:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// Name is the tenancy's name, the one in fault and call records.
func (s *State) Name() string { return s.name }

// OCID is the identifier of the tenancy and of its root compartment.
func (s *State) OCID() string { return s.config.OCID }

// Do runs f with the tenancy locked.
func (s *State) Do(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// Admit takes a token of the tenancy's request rate, and errs when there is none.
func (s *State) Admit() error {
	if !s.throttle.take() {
		return ErrTooManyRequests()
	}
	return nil
}

// SetRequestRate changes calls per second and burst; a rate of 0 is unlimited.
func (s *State) SetRequestRate(rate float64, burst int) { s.throttle.set(rate, burst) }

// Key finds the public key for signatures of this user and fingerprint.
func (s *State) Key(user, fingerprint string) (*User, *rsa.PublicKey, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.users[user]
	if !ok {
		return nil, nil, false
	}
	key, ok := found.Keys[fingerprint]
	return found, key, ok
}

// AddUser lets a user in, or replaces its keys and permissions.
func (s *State) AddUser(user *User) {
	s.Do(func() {
		s.users[user.OCID] = &User{OCID: user.OCID, Keys: maps.Clone(user.Keys), Compartments: user.Compartments}
	})
}

// RevokeKey makes every signature of the key invalid from now on. It reports whether the tenancy
// had the key.
func (s *State) RevokeKey(fingerprint string) bool {
	revoked := false
	s.Do(func() {
		for _, user := range s.users {
			if _, ok := user.Keys[fingerprint]; ok {
				keys := maps.Clone(user.Keys)
				delete(keys, fingerprint)
				s.users[user.OCID] = &User{OCID: user.OCID, Keys: keys, Compartments: user.Compartments}
				revoked = true
			}
		}
	})
	return revoked
}

// after runs f with the tenancy locked once d has passed, unless the world is closed by then.
func (s *State) after(d time.Duration, f func()) {
	s.world.clock.AfterFunc(d, func() {
		if !s.world.isClosed() {
			s.Do(f)
		}
	})
}

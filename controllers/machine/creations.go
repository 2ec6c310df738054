// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/instances"
)

// creations tracks the machines without an instance, as this process knows them. After a restart it
// is empty.
type creations struct {
	// searches are since when machines' instances are searched for.
	searches cloud.Searches[instances.Search]

	mu sync.Mutex
	// begun maps machines to the identity given by this process, until it may have made something
	// for them, be it only a key.
	begun map[client.ObjectKey]string
	// attempts maps machines to what is known of the launches of their present attempt.
	attempts map[client.ObjectKey]attempt
}

// attempt is one decision where to launch. Its retry token is the same in every launch, but OCI may
// refuse a launch before it looks at the token: only if no earlier one of the attempt can have
// succeeded does a refusal prove that there is no instance.
type attempt struct {
	number int32
	// doubtful is since when a launch may have succeeded unseen; zero if none can have.
	doubtful time.Time
	// conflicting is when OCI first answered a launch with a conflict; zero if it has not.
	conflicting time.Time
}

// decided notes an attempt that this process begins: nothing was sent for it yet.
func (c *creations) decided(key client.ObjectKey, number int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.attempts == nil {
		c.attempts = map[client.ObjectKey]attempt{}
	}
	c.attempts[key] = attempt{number: number}
}

// doubt notes a launch of unknown outcome.
func (c *creations) doubt(key client.ObjectKey, number int32, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.attempts == nil {
		c.attempts = map[client.ObjectKey]attempt{}
	}
	known := c.attempts[key]
	if known.number != number {
		known = attempt{number: number}
	}
	known.doubtful = now
	c.attempts[key] = known
}

// doubtfulSince tells since when a launch of the attempt may have succeeded unseen: from now on if
// another process began the attempt.
func (c *creations) doubtfulSince(key client.ObjectKey, number int32, now time.Time) (since time.Time, doubtful bool) {
	c.mu.Lock()
	known, ok := c.attempts[key]
	c.mu.Unlock()
	if !ok || known.number != number {
		c.doubt(key, number, now)
		return now, true
	}
	return known.doubtful, !known.doubtful.IsZero()
}

// conflictingSince notes a launch that was answered with a conflict, and tells since when the
// attempt's are.
func (c *creations) conflictingSince(key client.ObjectKey, number int32, now time.Time) time.Time {
	// Another process may have begun the attempt.
	c.doubtfulSince(key, number, now)
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.attempts[key]
	if known.conflicting.IsZero() {
		known.conflicting = now
		c.attempts[key] = known
	}
	return known.conflicting
}

// begin notes that the machine got its identity just now: nothing can carry it in a tag yet.
func (c *creations) begin(key client.ObjectKey, identity string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.begun == nil {
		c.begun = map[client.ObjectKey]string{}
	}
	c.begun[key] = identity
}

// mayHaveMade notes the chance of a key, and with it of an instance, from now on.
func (c *creations) mayHaveMade(key client.ObjectKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.begun, key)
}

// isNew tells whether there cannot be a key or an instance with the identity yet.
func (c *creations) isNew(key client.ObjectKey, identity string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	known, isNew := c.begun[key]
	return isNew && known == identity
}

// forget drops a machine when it is gone.
func (c *creations) forget(key client.ObjectKey) {
	c.searches.Forget(instances.Search{Machine: key})
	c.searches.Forget(instances.Search{Machine: key, Deleting: true})
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.attempts, key)
	delete(c.begun, key)
}

// searchAnew begins the search for an instance to adopt anew: one may have been launched by now.
func (c *creations) searchAnew(key client.ObjectKey, now time.Time) {
	c.searches.Anew(instances.Search{Machine: key}, now)
}

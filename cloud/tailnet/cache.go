// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"sync"
	"sync/atomic"
)

// CacheKey names a version of a tailnet's configuration. It is a struct, not a joined string: no
// two keys collide.
type CacheKey struct {
	// UID is the Tailnet object's.
	UID string
	// Generation is the Tailnet object's.
	Generation int64
	// SecretUID and SecretVersion are the UID and the resource version of the Secret with the
	// credentials.
	SecretUID     string
	SecretVersion string
}

// Cache keeps one client per tailnet, to reuse its access token and connections. The zero Cache is
// empty and ready for use; it is safe for concurrent use.
type Cache struct {
	mu      sync.Mutex
	entries map[string]*cacheEntry
}

type cacheEntry struct {
	key   CacheKey
	build func() (*Client, error)
	// built is the result of build, once there is one.
	built atomic.Pointer[Client]
}

// Get returns the client of this version, built from the config if the cache has none, and drops
// the client of any other version of the same tailnet. Concurrent calls build one client. A failure
// is not kept. Config is called only to build.
func (c *Cache) Get(key CacheKey, config func() (Config, error)) (*Client, error) {
	entry, replaced := c.entry(key, config)
	if replaced != nil {
		replaced.close()
	}
	client, err := entry.build()
	if err != nil {
		c.drop(entry)
		return nil, err
	}
	return client, nil
}

// Forget drops the client of a deleted tailnet.
func (c *Cache) Forget(uid string) {
	c.mu.Lock()
	entry := c.entries[uid]
	delete(c.entries, uid)
	c.mu.Unlock()
	if entry != nil {
		entry.close()
	}
}

func (c *Cache) entry(key CacheKey, config func() (Config, error)) (entry, replaced *cacheEntry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	entry = c.entries[key.UID]
	if entry != nil && entry.key == key {
		return entry, nil
	}
	replaced = entry
	entry = &cacheEntry{key: key}
	entry.build = sync.OnceValues(func() (*Client, error) {
		cfg, err := config()
		if err != nil {
			return nil, err
		}
		client, err := New(cfg)
		entry.built.Store(client)
		return client, err
	})
	if c.entries == nil {
		c.entries = map[string]*cacheEntry{}
	}
	c.entries[key.UID] = entry
	return entry, replaced
}

// drop removes the entry unless another has taken its place.
func (c *Cache) drop(entry *cacheEntry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries[entry.key.UID] == entry {
		delete(c.entries, entry.key.UID)
	}
}

// close closes the idle connections of a dropped client; its present users may go on using it.
func (e *cacheEntry) close() {
	if client := e.built.Load(); client != nil {
		client.Close()
	}
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// timestamps are when this process did something for an account last. The zero value is ready.
type timestamps struct {
	mu sync.Mutex
	at map[types.UID]time.Time
}

func (t *timestamps) due(uid types.UID, interval time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	last, ok := t.at[uid]
	return !ok || time.Since(last) >= interval
}

// last is zero if nothing was done yet.
func (t *timestamps) last(uid types.UID) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.at[uid]
}

func (t *timestamps) mark(uid types.UID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.at == nil {
		t.at = map[types.UID]time.Time{}
	}
	t.at[uid] = time.Now()
}

func (t *timestamps) forget(uid types.UID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.at, uid)
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// refreshes remembers when the domains of an account were read last by this process. The zero value
// is ready.
type refreshes struct {
	mu sync.Mutex
	at map[types.UID]time.Time
}

func (r *refreshes) due(uid types.UID, interval time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	last, ok := r.at[uid]
	return !ok || time.Since(last) >= interval
}

func (r *refreshes) done(uid types.UID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.at == nil {
		r.at = map[types.UID]time.Time{}
	}
	r.at[uid] = time.Now()
}

func (r *refreshes) forget(uid types.UID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.at, uid)
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
)

// lastChecks are when tailnets passed their last full checks, and with which client: there is one
// client for each version of spec and credentials. The zero value is ready.
type lastChecks struct {
	mu sync.Mutex
	at map[types.UID]lastCheck
}

type lastCheck struct {
	client *tailnet.Client
	at     time.Time
}

func (l *lastChecks) isFresh(uid types.UID, client *tailnet.Client, interval time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	last, ok := l.at[uid]
	return ok && last.client == client && time.Since(last.at) < interval
}

func (l *lastChecks) record(uid types.UID, client *tailnet.Client) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.at == nil {
		l.at = map[types.UID]lastCheck{}
	}
	l.at[uid] = lastCheck{client: client, at: time.Now()}
}

func (l *lastChecks) forget(uid types.UID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.at, uid)
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
)

// passes remembers when a tailnet passed its full check, and with which client: there is one client
// for each version of spec and credentials. The zero value is ready.
type passes struct {
	mu sync.Mutex
	at map[types.UID]pass
}

type pass struct {
	client *tailnet.Client
	at     time.Time
}

func (p *passes) fresh(uid types.UID, client *tailnet.Client, interval time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	last, ok := p.at[uid]
	return ok && last.client == client && time.Since(last.at) < interval
}

func (p *passes) put(uid types.UID, client *tailnet.Client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.at == nil {
		p.at = map[types.UID]pass{}
	}
	p.at[uid] = pass{client: client, at: time.Now()}
}

func (p *passes) forget(uid types.UID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.at, uid)
}

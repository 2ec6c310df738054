// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// MayLookInAccount is nil if the account may be asked for what belongs to an object of the
// namespace of which nothing says that there is anything: always if the account allows the
// namespace. Who lost permission, and his status too, still ends what is his; who never had it
// could have the account called by one object after the other, until its own users are throttled.
// So all of them share a turn now and then. Problem: NamespaceNotAllowed, with the time to ask
// again.
func (c *Clients) MayLookInAccount(ctx context.Context, account *infrav1.OCIAccount, namespace string) error {
	allowed, err := c.MayUseAccount(ctx, account, namespace)
	if err != nil || allowed {
		return err
	}
	return c.strangersTurn(account.UID, "OCIAccount "+account.Name, namespace)
}

// MayLookInTailnet is MayLookInAccount for tailnets.
func (c *Clients) MayLookInTailnet(ctx context.Context, tn *infrav1.Tailnet, namespace string) error {
	allowed, err := c.MayUseTailnet(ctx, tn, namespace)
	if err != nil || allowed {
		return err
	}
	return c.strangersTurn(tn.UID, "Tailnet "+tn.Name, namespace)
}

func (c *Clients) strangersTurn(uid types.UID, owner, namespace string) error {
	wait := c.strangers.take(uid, c.options.StrangerInterval)
	if wait <= 0 {
		return nil
	}
	problem := NewProblem(infrav1.NamespaceNotAllowedReason,
		"%s does not allow namespace %s, and nothing is recorded that this object has in it: allow the namespace in "+
			"spec.allowedNamespaces, or wait, since such objects share one look in %s",
		owner, namespace, c.options.StrangerInterval)
	problem.RetryAfter = wait
	return problem
}

// turns are when something was last had by turns. The zero value is ready.
type turns struct {
	mu   sync.Mutex
	last map[types.UID]time.Time
}

// take takes the turn and returns 0, or returns for how long to wait for the next.
func (t *turns) take(uid types.UID, interval time.Duration) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if wait := t.last[uid].Add(interval).Sub(now); wait > 0 {
		return wait
	}
	if t.last == nil {
		t.last = map[types.UID]time.Time{}
	}
	t.last[uid] = now
	return 0
}

func (t *turns) forget(uid types.UID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.last, uid)
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
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

// connect builds the client from the credentials.
func (r *Reconciler) connect(ctx context.Context, s *scope) error {
	client, err := r.Clients.TailnetClient(ctx, s.tailnet)
	if err != nil {
		s.problem = access.AsProblem(err)
		if s.problem.Reason == infrav1.InternalErrorReason {
			return err
		}
		return nil
	}
	s.client = client
	return nil
}

// check tries out all that machines will need once in a while, since it makes keys; in between it
// asks whether the server still answers.
func (r *Reconciler) check(ctx context.Context, s *scope) error {
	if s.client == nil {
		return nil
	}
	uid, spec := s.tailnet.UID, tailnet.CheckSpec{ApproveRoutes: s.tailnet.Spec.RouteApproval == infrav1.RouteApprovalProvider}
	full := !r.passed.fresh(uid, s.client, r.Options.withDefaults().CheckInterval)
	if full {
		spec.TagSets = [][]string{s.tailnet.Spec.NodeTags, s.tailnet.Spec.ControlPlaneTags}
	}
	err := s.client.Check(ctx, spec)
	s.checked, s.problem = true, access.AsProblem(err)
	switch {
	case err != nil:
		r.passed.forget(uid)
	case full:
		s.full = true
		r.passed.put(uid, s.client)
	}
	return ctx.Err()
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool

import (
	"context"
	"fmt"

	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/identity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/scheduling"
)

// Reservations list the machine pools for the scheduler: what their statuses say counts for
// budgets, after a restart too.
func Reservations(c client.Reader) func(context.Context) ([]scheduling.Pool, error) {
	return func(ctx context.Context) ([]scheduling.Pool, error) {
		list := &expv1.OCIMeshMachinePoolList{}
		if err := c.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
			return nil, err
		}
		pools := make([]scheduling.Pool, 0, len(list.Items))
		for i := range list.Items {
			pools = append(pools, reservation(&list.Items[i]))
		}
		return pools, nil
	}
}

func reservation(own *expv1.OCIMeshMachinePool) scheduling.Pool {
	return scheduling.Pool{
		Key: client.ObjectKeyFromObject(own), Identity: identity.Of(own), Account: own.Spec.Account,
		Size: int(ptr.Deref(own.Status.Pool.Size, 0)), Ending: !own.DeletionTimestamp.IsZero(),
		Machine: grantedOf(own).machineSpec(own.Spec),
	}
}

// budget asks for room in the account, and writes down what is granted.
type budget struct {
	client    client.Client
	scheduler *scheduling.Scheduler
}

func (r *Reconciler) budget() budget { return budget{client: r.Client, scheduler: r.Scheduler} }

// grant has the scheduler say how large the pool may be, of what is wanted.
func (b budget) grant(ctx context.Context, s *scope) error {
	pool := reservation(s.own)
	pool.Size = s.found.Size
	granted, refusal, err := b.scheduler.Resize(ctx, pool, s.wanted())
	if err != nil {
		return err
	}
	s.granted = granted
	if refusal != nil {
		s.Note(expv1.PoolReadyCondition, refusal.Reason, "%s", refusal.Message)
		s.Requeue(refusal.RetryAfter)
	}
	return nil
}

// reserve writes down the size before OCI is told: a process begun in between counts it.
func (b budget) reserve(ctx context.Context, s *scope, size int) error {
	reserved := s.own.DeepCopy()
	reserved.Status.Pool.Size = ptr.To(int32(size))
	if err := b.client.Status().Patch(ctx, reserved, client.MergeFrom(s.own)); err != nil {
		return fmt.Errorf("reserving %d instances: %w", size, err)
	}
	// It stays reserved if OCI does not answer.
	s.own.Status.Pool.Size = reserved.Status.Pool.Size
	return nil
}

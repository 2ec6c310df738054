// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"slices"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// release lets the object go: nothing is left that it stood for.
func (r *Reconciler) release(ctx context.Context, s *scope) error {
	s.released = true
	slices.Sort(s.endedIn)
	for _, account := range slices.Compact(s.endedIn) {
		r.tellVolumesLeft(ctx, s, account)
	}
	r.ledger.forget(client.ObjectKeyFromObject(s.own))
	r.Claims.Forget(s.own.Status.Instance.ID)
	ctrl.LoggerFrom(ctx).Info("Deleted the machine's instance, volumes and device")
	return nil
}

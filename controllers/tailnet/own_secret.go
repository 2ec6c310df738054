// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"context"
)

// ownSecret has the credentials moved with the tailnet. Failing to is no reason to leave the rest
// undone.
func (r *Reconciler) ownSecret(ctx context.Context, s *scope) error {
	return r.Clients.OwnSecret(ctx, s.tailnet, s.tailnet.Spec.Credentials.SecretRef)
}

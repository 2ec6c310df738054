// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/vip"
)

// auditAddresses brings the list of addresses in line with the clusters. That is written under a
// lock of its own, hence before the pass reads anything else of the status. It reads the tailnet
// anew if the list has changed, and tells whether there still is one to reconcile.
func (r *Reconciler) auditAddresses(ctx context.Context, tn *infrav1.Tailnet) (found bool, err error) {
	ledger := vip.Ledger{Client: r.Client, Reader: r.Reader, Allowed: r.Clients.MayUseTailnet}
	changed, auditing := ledger.Audit(ctx, tn.Name)
	if apierrors.IsNotFound(auditing) {
		return false, nil
	}
	if changed {
		if err := r.Reader.Get(ctx, client.ObjectKeyFromObject(tn), tn); err != nil {
			return false, client.IgnoreNotFound(err)
		}
	}
	return true, auditing
}

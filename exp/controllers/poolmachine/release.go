// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package poolmachine

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/exp/controllers/remains"
)

// release lets the object go: nothing is left of what it stood for.
func (r *Reconciler) release(ctx context.Context, s *scope) error {
	controllerutil.RemoveFinalizer(s.own, expv1.OCIMeshMachinePoolMachineFinalizer)
	if len(s.left) > 0 && r.Recorder != nil {
		r.Recorder.Eventf(s.own, nil, corev1.EventTypeWarning, remains.VolumesLeftReason, "Delete", "%s", remains.Left(s.account.Name, s.left))
	}
	ctrl.LoggerFrom(ctx).Info("Deleted the machine's instance, volumes and device")
	return nil
}

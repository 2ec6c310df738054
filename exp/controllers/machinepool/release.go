// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/exp/controllers/remains"
)

// release lets the object go: nothing is left that it stood for.
func (r *Reconciler) release(ctx context.Context, s *scope) error {
	if s.infraCluster == nil && (s.own.Status.Pool.ID != "" || s.own.Status.Configuration.ID != "") {
		return access.NewProblem(infrav1.TailnetNotFoundReason,
			"The OCIMeshCluster is gone, which says in which tailnet the pool's devices and keys are: remove them there, then this object's finalizer")
	}
	controllerutil.RemoveFinalizer(s.own, expv1.OCIMeshMachinePoolFinalizer)
	r.searched.Forget(s.own.UID)
	if len(s.left) > 0 && r.Recorder != nil {
		r.Recorder.Eventf(s.own, nil, corev1.EventTypeWarning, remains.VolumesLeftReason, "Delete", "%s", remains.Left(s.account.Name, s.left))
	}
	ctrl.LoggerFrom(ctx).Info("Deleted the machine pool's instances, configurations and keys")
	return nil
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// removeFinalizer lets the object go once nothing of it is left.
func (r *Reconciler) removeFinalizer(_ context.Context, s *scope) error {
	controllerutil.RemoveFinalizer(s.infra, infrav1.OCIMeshClusterFinalizer)
	r.cache.dropCluster(s.infra.UID)
	s.removed = true
	return nil
}

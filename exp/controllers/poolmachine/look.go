// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package poolmachine

import (
	"context"

	corev1 "k8s.io/api/core/v1"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// look looks at the instance anew each time, and whether it is own's: to detach it twice would make
// the pool smaller by two.
func (r *Reconciler) look(ctx context.Context, s *scope) error {
	if s.client == nil {
		r.tellInstanceLeft(s)
		return nil
	}
	seen, exists, err := instance.Observe(ctx, s.client, s.instanceID)
	switch {
	case err != nil:
		return access.NotProvenGone(err)
	case !exists:
		if s.proof = s.recorded(); !s.proof.IsZero() {
			s.own.Status.Instance.State = string(oci.StateTerminated)
		}
		return nil
	case !s.take(seen):
		if seen.State != oci.StateTerminated {
			r.tellInstanceLeft(s)
		}
		return nil
	}
	// What polls show is older: the pool would take the instance for one that stays, and make an
	// object for it again.
	s.cache.Note(seen, s.now)
	s.instance = &seen
	s.own.Status.Instance.State, s.own.Status.AvailabilityDomain = string(seen.State), seen.AvailabilityDomain
	return nil
}

func (r *Reconciler) tellInstanceLeft(s *scope) {
	if r.Recorder != nil {
		r.Recorder.Eventf(s.own, nil, corev1.EventTypeWarning, expv1.InstanceNotOwnedReason, "Delete", "%s", s.notOwned())
	}
}

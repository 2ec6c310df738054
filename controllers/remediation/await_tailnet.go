// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package remediation

import (
	"context"
	"time"

	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
)

// comeback is how long machines have to become healthy after the coordination server is back.
const comeback = 5 * time.Minute

// awaitTailnet leaves a running machine alone while the coordination server is away. Its fault may
// be just that, and a reset makes it worse: without a network map on its disk, or without a relay,
// a node that starts meanwhile reaches nobody. An instance that is not there, or was stopped, is
// another matter.
func (r *Reconciler) awaitTailnet(ctx context.Context, s *scope) error {
	if s.infra == nil || s.state != oci.StateRunning || s.cluster == nil {
		return nil
	}
	infra, tn := &infrav1.OCIMeshCluster{}, &infrav1.Tailnet{}
	ref := client.ObjectKey{Namespace: s.cluster.Namespace, Name: s.cluster.Spec.InfrastructureRef.Name}
	if err := r.Client.Get(ctx, ref, infra); err != nil {
		return client.IgnoreNotFound(err)
	}
	if err := r.Client.Get(ctx, client.ObjectKey{Name: infra.Spec.TailnetRef.Name}, tn); err != nil {
		return client.IgnoreNotFound(err)
	}
	credentials := conditions.Get(tn, infrav1.CredentialsValidCondition)
	if credentials == nil {
		return nil
	}
	changed := credentials.LastTransitionTime
	switch {
	case credentials.Reason == infrav1.UnavailableReason:
		s.WaitFor(s.Intervals.WithDefaults().Poll, infrav1.RemediatedCondition, infrav1.UnavailableReason,
			"The coordination server of Tailnet %s has not answered since %s: the machine is neither repaired nor replaced until it does",
			tn.Name, changed.UTC().Format(time.RFC3339))
	case s.own.CreationTimestamp.Before(&changed) && s.now.Before(changed.Add(comeback)):
		s.WaitFor(s.Intervals.WithDefaults().Poll, infrav1.RemediatedCondition, infrav1.UnavailableReason,
			"The coordination server of Tailnet %s is back since %s: the machine has %s to become healthy",
			tn.Name, changed.UTC().Format(time.RFC3339), comeback)
	}
	return nil
}

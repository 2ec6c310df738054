// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package remediation

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// comeback is how long machines have to become healthy after the coordination server is back.
const comeback = 5 * time.Minute

// awaitTailnet leaves a running machine alone while the coordination server is away. Its fault may
// be just that, and a reset makes it worse: without a network map on its disk, or without a relay,
// a node that starts meanwhile reaches nobody. An instance that is not there, or was stopped, is
// another matter.
func (r *Reconciler) awaitTailnet(ctx context.Context, s *scope) error {
	if err := r.findTailnet(ctx, s); err != nil || s.tailnet == nil || s.state != oci.StateRunning {
		return err
	}
	switch away, back := unavailableSince(s.tailnet), s.tailnet.Status.AvailableSince; {
	case !away.IsZero():
		s.WaitFor(s.Intervals.WithDefaults().Poll, infrav1.RemediatedCondition, infrav1.UnavailableReason,
			"The coordination server of Tailnet %s has not answered since %s: the machine is neither repaired nor replaced until it does",
			s.tailnet.Name, away.UTC().Format(time.RFC3339))
	case s.recovers(back):
		s.WaitFor(s.Intervals.WithDefaults().Poll, infrav1.RemediatedCondition, infrav1.UnavailableReason,
			"The coordination server of Tailnet %s is back since %s: the machine has %s to become healthy",
			s.tailnet.Name, back.UTC().Format(time.RFC3339), comeback)
	}
	return nil
}

// unavailableSince is when the coordination server went away; zero if it answers. A status from
// before the time was recorded has the condition's.
func unavailableSince(tn *infrav1.Tailnet) metav1.Time {
	credentials := conditions.Get(tn, infrav1.CredentialsValidCondition)
	if tn.Status.UnavailableSince.IsZero() && credentials != nil && credentials.Reason == infrav1.UnavailableReason {
		return credentials.LastTransitionTime
	}
	return tn.Status.UnavailableSince
}

// recovers tells whether the machine has yet to profit by a change that came after the request.
func (s *scope) recovers(changed metav1.Time) bool {
	return s.own.CreationTimestamp.Before(&changed) && s.now.Before(changed.Add(comeback))
}

// findTailnet reads the Tailnet of the machine's cluster, or tells why no machine may use it.
func (r *Reconciler) findTailnet(ctx context.Context, s *scope) error {
	if s.infra == nil || s.cluster == nil {
		return nil
	}
	infra := &infrav1.OCIMeshCluster{}
	ref := client.ObjectKey{Namespace: s.cluster.Namespace, Name: s.cluster.Spec.InfrastructureRef.Name}
	if err := r.Client.Get(ctx, ref, infra); err != nil {
		return client.IgnoreNotFound(err)
	}
	tn, err := r.Access.Tailnet(ctx, infra.Spec.TailnetRef.Name, s.cluster.Namespace)
	if problem := access.AsProblem(err); problem != nil && problem.Reason != infrav1.InternalErrorReason {
		s.noTailnet = problem
		return nil
	}
	s.tailnet = tn
	return err
}

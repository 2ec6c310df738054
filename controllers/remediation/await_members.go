// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package remediation

import (
	"context"
	"fmt"
	"time"

	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
)

// awaitMembers has control planes reset one after the other. A Node that is not Ready may still run
// a member of etcd: two resets at once would take the quorum of three away. A stopped instance runs
// none, and is started at any time.
func (r *Reconciler) awaitMembers(ctx context.Context, s *scope) error {
	if s.lost != "" || s.state != oci.StateRunning || !util.IsControlPlaneMachine(s.machine) {
		return nil
	}
	machines := &clusterv1.MachineList{}
	if err := r.Client.List(ctx, machines, client.InNamespace(s.machine.Namespace),
		client.MatchingLabels{clusterv1.ClusterNameLabel: s.machine.Spec.ClusterName}); err != nil {
		return fmt.Errorf("listing the cluster's Machines: %w", err)
	}
	for i := range machines.Items {
		other := &machines.Items[i]
		if other.Name == s.machine.Name || !util.IsControlPlaneMachine(other) || conditions.IsTrue(other, clusterv1.MachineHealthCheckSucceededCondition) {
			continue
		}
		request := &infrav1.OCIMeshRemediation{}
		err := r.Client.Get(ctx, client.ObjectKeyFromObject(other), request)
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("reading the request of Machine %s: %w", other.Name, err)
		}
		if end := endOfTry(request); err == nil && s.now.Before(end) && !s.goesBefore(request) {
			s.WaitFor(end.Sub(s.now)+time.Second, infrav1.RemediatedCondition, infrav1.RepairingReason,
				"Waiting for control plane %s, which is being repaired and has time until %s", other.Name, end.UTC().Format(time.RFC3339))
			return nil
		}
	}
	return nil
}

// endOfTry is when the last try of a request is over; zero if there was none.
func endOfTry(request *infrav1.OCIMeshRemediation) time.Time {
	attempts := request.Status.Attempts
	if len(attempts) == 0 {
		return time.Time{}
	}
	last := attempts[len(attempts)-1]
	return last.DecidedAt.Add(timeout(request.Spec.Steps, last.Action))
}

// goesBefore tells whether this request's try is under way, or was decided before the other's: of
// two that were decided at once one goes on.
func (s *scope) goesBefore(other *infrav1.OCIMeshRemediation) bool {
	own := s.last()
	if own == nil || !s.now.Before(endOfTry(s.own)) {
		return false
	}
	theirs := other.Status.Attempts[len(other.Status.Attempts)-1]
	switch {
	case !own.SentAt.IsZero():
		return true
	case !theirs.SentAt.IsZero():
		return false
	case own.DecidedAt.Equal(&theirs.DecidedAt):
		return s.own.Name < other.Name
	}
	return own.DecidedAt.Before(&theirs.DecidedAt)
}

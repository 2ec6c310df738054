// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"

	ctrl "sigs.k8s.io/controller-runtime"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/capacity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/scheduling"
)

// repeatLaunch finds out, for a deletion, what a launch whose answer was lost has made: a key says
// that one may have been sent, and lists may not show it yet. The same request under the same retry
// token is answered with the instance that the first one made, or makes one, which the next pass
// ends (OCI documentation, "Retry Token": the same token and payload run once within 24 hours). It
// returns nil once it is certain that there is nothing.
func (r *Reconciler) repeatLaunch(ctx context.Context, s *scope) error {
	spec, c, err := r.repeatedSpec(ctx, s)
	if err != nil {
		return err
	}
	launched, err := c.LaunchInstance(ctx, spec)
	switch {
	case err == nil:
		r.note(ctx, s, launched)
		s.own.Status.Instance = infrav1.InstanceStatus{ID: launched.ID, State: string(launched.State)}
		ctrl.LoggerFrom(ctx).Info("Found the instance of a launch whose answer was lost", "instance", launched.ID)
		return waitForRepeated("Instance %s is ended next", launched.ID)
	case cloud.IsKind(err, cloud.Conflict) && codeOf(err) == codeInvalidatedRetryToken:
		ended, err := instance.Ended(ctx, c, s.anybodys())
		if err != nil {
			return err
		}
		if !ended {
			return waitForRepeated("A launch was sent in account %s, and its instance is not listed yet", s.own.Status.Placement.Account)
		}
		return nil
	case cloud.WasNotSent(err):
		return err
	case capacity.IsShortage(err), cloud.IsKind(err, cloud.InvalidRequest, cloud.NotFoundOrUnauthorized):
		// OCI has judged the launch, which it does not for a token that was used. An answer to the
		// credentials says nothing of it.
		return nil
	}
	return err
}

func waitForRepeated(format string, args ...any) error {
	return access.NewProblem(infrav1.WaitingForTerminationReason, format, args...)
}

// repeatedSpec is the launch as it was sent. Where the bootstrap data is gone it is a launch
// without user data: OCI then tells by the retry token whether there was another. Whether the
// namespace may still use the account does not matter: what is made is ended.
func (r *Reconciler) repeatedSpec(ctx context.Context, s *scope) (oci.LaunchSpec, *oci.Client, error) {
	account := s.own.Status.Placement.Account
	c, _, err := r.accountOf(ctx, account)
	if err != nil {
		return oci.LaunchSpec{}, nil, err
	}
	launch := instance.Launch{
		Machine: s.own.Spec, Placement: s.own.Status.Placement, Owner: s.owner, Hostname: s.hostname, Tags: s.tags(), KeyID: s.key.ID,
	}
	if s.infraCluster != nil {
		if network := scheduling.NetworkOf(s.infraCluster, account); network != nil {
			launch.Network = *network
		}
		launch.UserData = r.repeatedUserData(ctx, s)
	}
	return instance.Spec(launch), c, nil
}

func (r *Reconciler) repeatedUserData(ctx context.Context, s *scope) []byte {
	if s.machine.Spec.Bootstrap.DataSecretName == nil || s.cluster == nil {
		return nil
	}
	tn, err := r.Access.Tailnet(ctx, s.infraCluster.Spec.TailnetRef.Name, s.own.Namespace)
	if err != nil {
		return nil
	}
	s.tailnet = tn
	if err := r.readBootstrap(ctx, s); err != nil {
		return nil
	}
	userData, err := s.bootstrap.render(s.key.Value, s.own.Spec)
	if err != nil {
		return nil
	}
	return userData
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/capacity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/instances"
)

// repeatLaunch finds out, for a deletion, the result of a launch with a lost answer: a key hints at
// such a launch, and lists may not show the instance yet. The same request under the same retry
// token is answered with the first one's instance, or makes one for the next pass to end (OCI
// documentation, "Retry Token": the same token and payload run once within 24 hours). It returns
// nil once it is certain there is nothing.
func (l launcher) repeatLaunch(ctx context.Context, s *scope) error {
	spec, c, err := l.requests.again(ctx, s)
	if err != nil {
		return err
	}
	launched, err := c.LaunchInstance(ctx, spec)
	switch {
	case err == nil:
		l.noteLaunch(ctx, s, launched)
		s.own.Status.Instance = infrav1.InstanceStatus{ID: launched.ID, State: string(launched.State)}
		ctrl.LoggerFrom(ctx).Info("Found the instance of a launch whose answer was lost", "instance", launched.ID)
		return instances.WaitingFor("Instance %s is ended next", launched.ID)
	case cloud.IsRetryTokenUsed(err):
		ended, err := instance.Ended(ctx, c, s.anybodys())
		if err != nil {
			return err
		}
		if !ended {
			return instances.WaitingFor("A launch was sent in account %s, and its instance is not listed yet", s.own.Status.Placement.Account)
		}
		return nil
	case cloud.WasNotSent(err):
		return err
	case capacity.IsShortage(err), isConflict(err), cloud.IsKind(err, cloud.InvalidRequest, cloud.NotFoundOrUnauthorized,
		cloud.RelatedNotFoundOrUnauthorized, cloud.ExistsOrUnauthorized):
		// OCI may have judged the launch before it looked at the token. A refusal of the
		// credentials would say nothing of it.
		return l.proveNotLaunched(ctx, s, c, err)
	case !refusedForCertain(err):
		l.creations.doubt(client.ObjectKeyFromObject(s.own), s.own.Status.Placement.Attempt, s.now)
	}
	return err
}

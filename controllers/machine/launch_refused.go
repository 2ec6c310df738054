// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/capacity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/scheduling"
)

// listedAfter is when OCI's lists certainly show an instance whose launch has succeeded: they lag
// behind by seconds.
const listedAfter = 2 * time.Minute

// launchRefused gives the place up for this machine for a while, and decides anew at once. Others
// are not kept from the place: the cause may be this machine's spec.
func (r *Reconciler) launchRefused(ctx context.Context, s *scope, c *oci.Client, refusal error) error {
	at := s.own.Status.Placement
	since, doubtful := r.creations.doubtfulSince(client.ObjectKeyFromObject(s.own), at.Attempt, s.now)
	if doubtful {
		if err := s.proveNotLaunched(ctx, c, refusal, since); err != nil {
			return err
		}
	}
	return r.refused(ctx, s, refusal)
}

// proveNotLaunched errs unless lists show that no earlier launch of the attempt has succeeded. An
// account whose lists may not be read keeps the machine: it may have its instance.
func (s *scope) proveNotLaunched(ctx context.Context, c *oci.Client, refusal error, since time.Time) error {
	problem := &access.Problem{Reason: infrav1.LaunchRefusedReason, Err: refusal, Message: "OCI refuses the launch, and the outcome of an " +
		"earlier one in the same place is not known, so that no other place is tried yet: " + cloud.UserMessage(refusal)}
	if wait := since.Add(listedAfter).Sub(s.now); wait > 0 {
		problem.RetryAfter = min(wait, s.Intervals.WithDefaults().Poll)
		return problem
	}
	all, err := c.ListInstances(ctx)
	if err != nil {
		return err
	}
	if len(instance.Remaining(s.anybodys(), all)) > 0 {
		// The next pass adopts it.
		problem.RetryAfter = time.Second
		return problem
	}
	return nil
}

// refused records that an account has refused the launch, for this machine. There is no instance of
// it.
func (r *Reconciler) refused(ctx context.Context, s *scope, refusal error) error {
	at, words := s.own.Status.Placement, cloud.Words(refusal)
	s.own.Status.Shortages = capacity.RecordRefusal(s.own.Status.Shortages, scheduling.PlaceOf(at), refusal, s.now, s.options.Capacity)
	s.giveUpInstance()
	r.event(s, infrav1.LaunchRefusedReason, "Launch", "Account %s refuses the launch in %s with shape %s: %s", at.Account,
		at.AvailabilityDomain, at.Shape, words)
	ctrl.LoggerFrom(ctx).Info("The account refuses the launch", "Account", at.Account, "availabilityDomain", at.AvailabilityDomain,
		"shape", at.Shape, "message", words)
	return r.choose(ctx, s)
}

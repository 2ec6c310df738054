// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
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

// proveNotLaunched errs unless no launch of the attempt can have succeeded: either this process
// knows the outcome of all of them, or lists show no instance. An account whose lists may not be
// read keeps the machine: it may have its instance.
func (l launcher) proveNotLaunched(ctx context.Context, s *scope, c *oci.Client, refusal error) error {
	since, doubtful := l.creations.doubtfulSince(client.ObjectKeyFromObject(s.own), s.own.Status.Placement.Attempt, s.now)
	if !doubtful {
		return nil
	}
	waitsFor := "no other place is tried yet"
	if !s.own.DeletionTimestamp.IsZero() {
		waitsFor = "the deletion waits"
	}
	problem := &access.Problem{Reason: infrav1.LaunchRefusedReason, Err: refusal, Message: "OCI refuses the launch, and the outcome of an " +
		"earlier one in the same place is not known, so that " + waitsFor + ": " + cloud.UserMessage(refusal)}
	if wait := since.Add(listedAfter).Sub(s.now); wait > 0 {
		problem.RetryAfter = min(wait, s.Intervals.WithDefaults().Poll)
		return problem
	}
	all, err := c.ListInstances(ctx)
	if err != nil {
		problem.Err = errors.Join(refusal, err)
		problem.Message += ". Its instances cannot be listed: " + cloud.UserMessage(err)
		problem.RetryAfter = s.Intervals.WithDefaults().Poll
		return problem
	}
	if len(instance.Remaining(s.anybodys(), all)) > 0 {
		// The next pass adopts it, or ends it.
		problem.RetryAfter = time.Second
		return problem
	}
	return nil
}

// recordRefusal records that an account has refused the launch, gives the place up for this machine
// for a while, and decides anew at once. There is no instance of it. Only machines of its set are
// kept from the place, too: the cause may be their spec.
func (l launcher) recordRefusal(ctx context.Context, s *scope, refusal error) error {
	at, words := s.own.Status.Placement, cloud.Words(refusal)
	s.own.Status.Shortages = capacity.RecordRefusal(s.own.Status.Shortages, scheduling.PlaceOf(at), refusal, s.now, s.options.Capacity)
	l.sets.noteRefusal(ctx, s)
	s.giveUpInstance()
	l.warnOfRefusal(ctx, s, words)
	ctrl.LoggerFrom(ctx).Info("The account refuses the launch", "OCIAccount", klog.KRef("", at.Account), "availabilityDomain", at.AvailabilityDomain,
		"shape", at.Shape, "message", words)
	return l.chooseAnother(ctx, s)
}

// warnOfRefusal tells it on the machine, and on the account for its owner: once another account
// takes the machine, nobody looks at the machine's events.
func (l launcher) warnOfRefusal(ctx context.Context, s *scope, words string) {
	if s.recorder == nil {
		return
	}
	at := s.own.Status.Placement
	const note = "Account %s refuses the launch in %s with shape %s: %s"
	s.recorder.Eventf(s.own, nil, corev1.EventTypeWarning, infrav1.LaunchRefusedReason, "Launch", note,
		at.Account, at.AvailabilityDomain, at.Shape, words)
	// An account deleted meanwhile needs no event.
	if account, err := l.finder.Access.AccountOf(ctx, at.Account, "machine"); err == nil {
		s.recorder.Eventf(account, s.own, corev1.EventTypeWarning, infrav1.LaunchRefusedReason, "Launch", note,
			at.Account, at.AvailabilityDomain, at.Shape, words)
	}
}

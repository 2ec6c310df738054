// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/capacity"
)

// Reasons of events about shortages.
const (
	shortageRecorded = "CapacityShortage"
	shortageEnded    = "CapacityReturned"
)

// shortages writes down what machines have found out of places without room, so that it survives a
// restart, and tells of what has changed. Managers of other namespaces write there too: what they
// have found counts here as well.
func (r *Reconciler) shortages(ctx context.Context, s *scope) error {
	if r.Pollers == nil {
		return nil
	}
	shared, now := r.Pollers.Shortages(s.account), time.Now()
	shared.Adopt(s.account.Status.Shortages, now)
	known := shared.Known(now)
	recorded, ended := capacity.Difference(s.account.Status.Shortages, known)
	if len(recorded)+len(ended) == 0 {
		return nil
	}
	s.account.Status.Shortages = known
	for _, shortage := range recorded {
		if shortage.Reason == string(cloud.LimitExceeded) || shortage.Reason == string(cloud.QuotaExceeded) {
			r.limitsHit.mark(s.account.UID)
		}
		r.emit(s, corev1.EventTypeWarning, shortageRecorded, "No room for shape %s in %s: %s, left out until %s", shortage.Shape,
			placeName(shortage), shortage.Reason, shortage.Until.UTC().Format(time.RFC3339))
	}
	for _, shortage := range ended {
		r.emit(s, corev1.EventTypeNormal, shortageEnded, "There may be room for shape %s in %s again", shortage.Shape, placeName(shortage))
	}
	ctrl.LoggerFrom(ctx).V(2).Info("Shortages changed", "recorded", len(recorded), "ended", len(ended))
	return nil
}

func (r *Reconciler) emit(s *scope, kind, reason, note string, args ...any) {
	if r.Recorder != nil {
		r.Recorder.Eventf(s.account, nil, kind, reason, "Place", note, args...)
	}
}

// placeName names what a shortage covers.
func placeName(shortage infrav1.Shortage) string {
	switch {
	case shortage.AvailabilityDomain == "":
		return "the whole account"
	case shortage.FaultDomain == "":
		return shortage.AvailabilityDomain
	}
	return shortage.AvailabilityDomain + " " + shortage.FaultDomain
}

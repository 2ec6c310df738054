// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instancecache"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/claims"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/instances"
)

// sighting is an instance as OCI showed it at a time.
type sighting struct {
	oci.Instance
	at time.Time
}

// shownAt is the time of the facts from polls.
func shownAt(cache *instancecache.Cache, now time.Time) time.Time {
	age, polled := cache.Age(now)
	if !polled {
		return now
	}
	return now.Add(-age)
}

// sight is an instance as polls show it. A call asks for one missing there, and for one whose claim
// has just stood for the window.
func sight(ctx context.Context, in instances.Account, id string, holder ownership.Holder) (sighting, bool, error) {
	seen, known := in.Cache.Instance(id)
	if known && seen.Listed && (!holder.Status.State.IsPending() || !holder.Stands(holder.Now)) {
		return sighting{seen.Instance, shownAt(in.Cache, holder.Now)}, true, nil
	}
	found, exists, err := instance.Observe(ctx, in.Client, id)
	return sighting{found, holder.Now}, exists, err
}

// holding sees to it that what is done to an instance is this management cluster's to do.
type holding struct {
	claims *claims.Claims
	finder instances.Finder
}

func (r *Reconciler) holding() holding { return holding{claims: r.Claims, finder: r.finder()} }

// holder is this management cluster, for the machine's instance.
func (h holding) holder(s *scope) ownership.Holder {
	return h.claims.Holder(s.own, s.own.Status.Claim, s.own.Status.Instance.ID, s.now, 0)
}

// stand decides about an instance with, perhaps, another management cluster's claim, and takes the
// decision over into the pass. It stands even if err is not nil.
func (h holding) stand(ctx context.Context, s *scope, in instances.Account, seen sighting) (claims.Standing, error) {
	before := s.own.Status.Claim
	standing := h.claims.Stand(claims.Thing{
		Object: s.own, Owner: s.owner, Status: before, ID: seen.ID, Tags: seen.Tags, At: seen.at, Now: s.now,
	}, s.recorder)
	s.owner, s.own.Status.Claim = standing.Owner, standing.Status
	s.exclusive = s.exclusive || standing.Undecided
	if standing.Elsewhere && !equality.Semantic.DeepEqual(standing.Status, before) {
		ctrl.LoggerFrom(ctx).Info("Another management cluster holds the instance", "instance", seen.ID, "holder", standing.Claim.Holder)
	}
	if !standing.Unwritten {
		return standing, nil
	}
	updated, laid, err := claims.Lay(ctx, standing, in.Client.UpdateInstanceTag)
	switch {
	case err != nil:
		return standing, err
	case !laid:
		in.Cache.Hurry()
		return standing, nil
	}
	in.Cache.Note(updated, s.now)
	ctrl.LoggerFrom(ctx).Info("Claimed the instance", "instance", updated.ID, "before", standing.Tag())
	return standing, nil
}

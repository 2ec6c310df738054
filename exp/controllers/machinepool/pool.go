// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/identity"
)

// pool makes the instance pool, and tells it what to launch and where from now on.
func (r *Reconciler) pool(ctx context.Context, s *scope) error {
	if s.idle() {
		return nil
	}
	placements, err := s.placements()
	if err != nil {
		return err
	}
	if s.found == nil {
		return r.createPool(ctx, s, placements)
	}
	change := oci.PoolChange{}
	if s.found.ConfigurationID != s.own.Status.Configuration.ID {
		change.ConfigurationID = s.own.Status.Configuration.ID
	}
	if !slices.EqualFunc(s.found.Placements, placements, s.samePlacement) {
		change.Placements = placements
	}
	if change.ConfigurationID != "" || change.Placements != nil {
		if changed, err := s.change(ctx, change); err != nil || !changed {
			return err
		}
	}
	// Whether OCI was told just now, or shows it since before a move took the record.
	s.own.Status.Pool.Spread = ptr.To(len(s.own.Spec.FaultDomains) == 0)
	return nil
}

// change changes the pool. OCI may refuse that for as long as it launches instances, which it does
// for 24 hours if there is no room for them. The change then waits and the pass goes on, to tell
// what is missing.
func (s *scope) change(ctx context.Context, change oci.PoolChange) (changed bool, err error) {
	pool, err := s.client.UpdateInstancePool(ctx, s.proof, change)
	switch {
	case s.isRefused(*s.found, err):
		return false, nil
	case err != nil:
		return false, asRefusal(err)
	}
	return true, s.take(pool)
}

// isRefused tells whether OCI takes no change of a pool, for which err is its answer, since it is
// busy with it. The same is asked again later.
func (s *scope) isRefused(pool oci.InstancePool, err error) bool {
	if !pool.IsBusy() || !cloud.IsKind(err, cloud.Conflict) {
		return false
	}
	s.refused = fmt.Sprintf("OCI refuses it while the pool is %s: %s", pool.State, cloud.UserMessage(err))
	s.Requeue(s.Intervals.Progress)
	return true
}

// createPool makes a pool of size 0, whatever is wanted: the request is then the same each time
// that it is repeated, and makes one.
func (r *Reconciler) createPool(ctx context.Context, s *scope, placements []oci.PoolPlacement) error {
	holder := r.Claims.Holder(s.own, infrav1.ClaimStatus{}, "", s.now, 0)
	pool, err := s.client.CreateInstancePool(ctx, oci.PoolSpec{
		DisplayName: s.prefix, ConfigurationID: s.own.Status.Configuration.ID, Placements: placements,
		Tags:       s.owner.HeldBy(holder).Claimed(identity.TagsIn(s.infraCluster, s.owner)),
		RetryToken: cloud.RetryToken(s.owner.Digest(), "pool", strconv.Itoa(int(s.own.Status.Pool.Attempt))),
	})
	if cloud.IsRetryTokenUsed(err) {
		return s.usedToken(ctx, err)
	}
	if err != nil {
		return asRefusal(err)
	}
	if err := s.take(pool); err != nil {
		return err
	}
	s.own.Status.Claim, s.own.Status.Pool.Spread = r.Claims.Made(), ptr.To(len(s.own.Spec.FaultDomains) == 0)
	if r.Recorder != nil {
		r.Recorder.Eventf(s.own, nil, corev1.EventTypeNormal, "PoolCreated", "Create", "Created instance pool %s in account %s", pool.ID, s.account.Name)
	}
	ctrl.LoggerFrom(ctx).Info("Created the instance pool", "instancePool", pool.ID, "OCIAccount", klog.KObj(s.account))
	return nil
}

// usedToken finds out whether a pool was made before with this attempt's token, by a pass that does
// not know of it: it exists, and the next look shows it, or all of the pool's are gone.
func (s *scope) usedToken(ctx context.Context, refusal error) error {
	pools, err := s.client.ListInstancePools(ctx, s.owner.Tags())
	if err != nil {
		return err
	}
	gone := !slices.ContainsFunc(pools, func(p oci.InstancePool) bool { return p.State != oci.StateTerminated })
	if len(pools) > 0 && gone {
		s.lost()
	}
	return refusal
}

// placements are the availability domains that the MachinePool allows, or all of the account's.
// Fault domains are named only if the spec does: OCI spreads over named ones evenly or not at all
// (oci-go-sdk core/create_instance_pool_placement_configuration_details.go).
func (s *scope) placements() ([]oci.PoolPlacement, error) {
	var out []oci.PoolPlacement
	wanted := s.machinePool.Spec.FailureDomains
	for _, domain := range s.account.Status.AvailabilityDomains {
		name := infrav1.FailureDomainName(s.account.Name, domain.ShortName)
		if len(wanted) > 0 && !slices.Contains(wanted, name) {
			continue
		}
		out = append(out, oci.PoolPlacement{AvailabilityDomain: domain.Name, FaultDomains: s.own.Spec.FaultDomains, SubnetID: s.network.SubnetID})
	}
	if len(out) == 0 {
		return nil, access.NewProblem(infrav1.FailureDomainUnknownReason,
			"No failure domain of the MachinePool is in account %s: remove failureDomains, or use those of the OCIMeshCluster for the account", s.account.Name)
	}
	return out, nil
}

// samePlacement tells whether a pool has a placement already. If no fault domains are wanted, OCI
// may show all of them, as it does of a pool of an earlier release, which named them all: what OCI
// was told last is recorded.
func (s *scope) samePlacement(shown, wanted oci.PoolPlacement) bool {
	if shown.AvailabilityDomain != wanted.AvailabilityDomain || shown.SubnetID != wanted.SubnetID {
		return false
	}
	spread := ptr.Deref(s.own.Status.Pool.Spread, false)
	if len(wanted.FaultDomains) == 0 {
		return spread || len(shown.FaultDomains) == 0
	}
	return !spread && slices.Equal(slices.Sorted(slices.Values(shown.FaultDomains)), slices.Sorted(slices.Values(wanted.FaultDomains)))
}

// asRefusal tells what a person has to fix from what is tried again.
func asRefusal(err error) error {
	if !cloud.IsKind(err, cloud.InvalidRequest, cloud.RelatedNotFoundOrUnauthorized, cloud.ExistsOrUnauthorized) {
		return err
	}
	return &access.Problem{Reason: expv1.PoolRefusedReason, Message: "OCI refuses the instance pool: " + cloud.UserMessage(err), Err: err}
}

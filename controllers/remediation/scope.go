// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package remediation

import (
	"context"
	"fmt"
	"time"

	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instancecache"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
)

// scope is what the phases of one pass know.
type scope struct {
	phases.Pass
	// own is the object, before is how it was when the pass began, now is the time of the pass. Set
	// by newScope and Reconcile.
	own, before *infrav1.OCIMeshRemediation
	now         time.Time

	// machine owns own, cluster is its Cluster; nil if there is none.
	machine *clusterv1.Machine
	cluster *clusterv1.Cluster
	// healthy is set if the Machine's health check succeeds. Set by findMachine.
	healthy bool
	// infra is the Machine's OCIMeshMachine; nil if there is none. Set by findMachine.
	infra *infrav1.OCIMeshMachine

	// tailnet is the cluster's Tailnet, noTailnet why no machine may use it; each is nil if the
	// other is set, or the cluster is gone. Set by awaitTailnet.
	tailnet   *infrav1.Tailnet
	noTailnet *access.Problem

	// state is OCI's of the instance, TERMINATED if it is gone, empty if there was none.
	// launched is when OCI launched it, client and cache are of its account, proof is for acting on
	// it. Set by observeInstance.
	state    oci.LifecycleState
	launched time.Time
	client   *oci.Client
	cache    *instancecache.Cache
	proof    ownership.Proof

	// lost is why the machine has to be replaced; empty if it can be repaired. Set by findMachine,
	// observeInstance or chooseStep.
	lost string
}

// newScope reads the objects around own.
func (r *Reconciler) newScope(ctx context.Context, own *infrav1.OCIMeshRemediation) (*scope, error) {
	clock := r.Options.Clock
	if clock == nil {
		clock = time.Now
	}
	s := &scope{Pass: phases.Pass{Intervals: r.Options.Intervals}, own: own, now: clock()}
	var err error
	if s.machine, err = util.GetOwnerMachine(ctx, r.Client, own.ObjectMeta); client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("reading the owner Machine: %w", err)
	}
	if s.machine == nil || s.machine.Name != own.Name {
		// MachineHealthChecks name a request like its Machine. Others would add up to any number of
		// tries for one.
		s.machine = nil
		return s, nil
	}
	s.cluster, err = util.GetClusterByName(ctx, r.Client, s.machine.Namespace, s.machine.Spec.ClusterName)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("reading the Cluster: %w", err)
	}
	if err != nil {
		s.cluster = nil
	}
	return s, nil
}

// last is the last attempt; nil if there is none.
func (s *scope) last() *infrav1.RemediationAttempt {
	attempts := s.own.Status.Attempts
	if len(attempts) == 0 {
		return nil
	}
	return &attempts[len(attempts)-1]
}

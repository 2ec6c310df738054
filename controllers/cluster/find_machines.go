// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"

	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/pools"
)

func (r *Reconciler) findMachines(ctx context.Context, s *scope) error {
	machines := &infrav1.OCIMeshMachineList{}
	err := r.Client.List(ctx, machines, client.InNamespace(s.infra.Namespace),
		client.MatchingLabels{clusterv1.ClusterNameLabel: clusterName(s.infra)})
	if err != nil {
		return fmt.Errorf("listing OCIMeshMachines: %w", err)
	}
	s.machines = machines.Items
	return nil
}

// poolsIn are the cluster's machine pools in the account, or in all if it is empty, and the objects
// of their instances. A pool of size 0 needs its subnet too.
func (r *Reconciler) poolsIn(ctx context.Context, s *scope, account string) (pools.Users, error) {
	return pools.Of(ctx, r.Reader, account, client.InNamespace(s.infra.Namespace),
		client.MatchingLabels{clusterv1.ClusterNameLabel: clusterName(s.infra)})
}

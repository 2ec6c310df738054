// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"

	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
)

// approveRoutes approves exactly the routes advertised on behalf of this provider: a control
// plane's VIP, and the node's own part of the pod network.
func approveRoutes(ctx context.Context, s *scope, statuses tailnetnode.Statuses, route vipRoute) error {
	approves := s.tailnet.Spec.RouteApproval.ByProvider()
	if approves && s.isControlPlane() && s.infraCluster.Spec.EndpointType.HasVIP() {
		if err := route.approve(ctx, s); err != nil {
			return err
		}
	}
	return tailnetnode.ApprovePodRoute(ctx, &s.Pass, route.client, statuses, s.observed, s.tailnet, s.cluster, s.infraCluster)
}

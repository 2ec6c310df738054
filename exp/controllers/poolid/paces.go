// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package poolid

import (
	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
)

// paces are those of the reasons that only pools and their machines have.
var paces = map[string]phases.Pace{
	expv1.WaitingForNetworkReason: phases.Awaited,
	expv1.InstancesJoiningReason:  phases.Awaited, // a watch shows what becomes of the machines
	expv1.PoolNotOwnedReason:      phases.AtRest,

	expv1.ConfigurationRefusedReason: phases.Outside,
	expv1.PoolRefusedReason:          phases.Outside,
	expv1.PoolDuplicatedReason:       phases.Outside,
	expv1.PoolNotFoundReason:         phases.Outside,

	expv1.PoolProvisioningReason: phases.UnderWay,
	expv1.PoolScalingReason:      phases.UnderWay,

	expv1.PoolLostReason:         phases.AtRest,
	expv1.InstanceNotOwnedReason: phases.AtRest,
}

// Intervals are those of a kind, with what a pool's reasons ask for.
func Intervals(of phases.Intervals) phases.Intervals {
	of = of.WithDefaults()
	of.Paces = paces
	return of
}

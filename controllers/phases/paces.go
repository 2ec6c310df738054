// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package phases

import infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"

// Pace is how soon an object with a reason is looked at again, if neither the service nor the phase
// asks for a time, and whether somebody is to be warned of it.
type Pace int

const (
	// AtRest is for what a person fixes in Kubernetes: a watch shows it.
	AtRest Pace = iota
	// Outside is for what a person has to fix at OCI or at the control server.
	Outside
	// Passing is for problems that pass by themselves.
	Passing
	// UnderWay is while something is being made. On the way up nobody is warned of it.
	UnderWay
	// Awaited is for what another object brings, which a watch shows. On the way up nobody is
	// warned of it.
	Awaited
	// Leaving is while something is being removed. Nobody is warned: somebody asked for it.
	Leaving
)

// paces are those of all reasons that kinds share; Intervals has those of one kind.
var paces = map[string]Pace{
	infrav1.NetworkProvisioningReason:  UnderWay,
	infrav1.EndpointProvisioningReason: UnderWay,
	infrav1.InstanceProvisioningReason: UnderWay,
	infrav1.WaitingReason:              UnderWay,
	infrav1.JoiningReason:              UnderWay,
	infrav1.BackendRegisteringReason:   UnderWay,

	infrav1.WaitingForClusterInfrastructureReason: Awaited,
	infrav1.WaitingForBootstrapDataReason:         Awaited,

	infrav1.DeletingReason:              Leaving,
	infrav1.WaitingForTerminationReason: Leaving,
	infrav1.LeavingLoadBalancerReason:   Leaving,

	infrav1.UnavailableReason:       Passing,
	infrav1.ThrottledReason:         Passing,
	infrav1.ConflictReason:          Passing,
	infrav1.ClaimingReason:          Passing, // a person is to hear of it
	infrav1.WaitingForAccountReason: Passing,
	infrav1.NetworkInUseReason:      Passing,
	infrav1.LoadBalancerInUseReason: Passing,

	infrav1.AuthenticationFailedReason:    Outside,
	infrav1.NotAuthorizedOrNotFoundReason: Outside,
	infrav1.RegionUnknownReason:           Outside,
	infrav1.RequestRefusedReason:          Outside,
	infrav1.TagNotPermittedReason:         Outside,
	infrav1.ScopeMissingReason:            Outside,
	infrav1.HeadscaleTooOldReason:         Outside,

	infrav1.InternalErrorReason:             AtRest, // the workqueue repeats it sooner
	infrav1.InUseReason:                     AtRest,
	infrav1.HeldElsewhereReason:             AtRest,
	infrav1.OutOfCapacityReason:             AtRest,
	infrav1.LimitExceededReason:             AtRest,
	infrav1.QuotaExceededReason:             AtRest,
	infrav1.SecretNotFoundReason:            AtRest,
	infrav1.SecretInvalidReason:             AtRest,
	infrav1.AccountNotFoundReason:           AtRest,
	infrav1.AccountNotReadyReason:           AtRest,
	infrav1.NamespaceNotAllowedReason:       AtRest,
	infrav1.NetworkFailedReason:             AtRest,
	infrav1.TailnetNotFoundReason:           AtRest,
	infrav1.TailnetNotReadyReason:           AtRest,
	infrav1.RangesOverlapReason:             AtRest,
	infrav1.RangesChangedReason:             AtRest,
	infrav1.PodRangeNotAllowedReason:        AtRest,
	infrav1.PodRangeInUseReason:             AtRest,
	infrav1.ServiceRangeRoutedReason:        AtRest,
	infrav1.EndpointTypeUnknownReason:       AtRest,
	infrav1.VIPRangeMissingReason:           AtRest,
	infrav1.VIPRangeExhaustedReason:         AtRest,
	infrav1.VIPRangeOverlapReason:           AtRest,
	infrav1.EndpointInUseReason:             AtRest,
	infrav1.EndpointOutOfRangeReason:        AtRest,
	infrav1.EndpointMissingReason:           AtRest,
	infrav1.EndpointFailedReason:            AtRest,
	infrav1.EndpointLostReason:              AtRest,
	infrav1.BootstrapDataInvalidReason:      AtRest,
	infrav1.UserDataTooLargeReason:          AtRest,
	infrav1.NoCapacityReason:                AtRest, // a refusal says when the next try is
	infrav1.BudgetExceededReason:            AtRest,
	infrav1.NoAccountReason:                 AtRest,
	infrav1.FailureDomainUnknownReason:      AtRest,
	infrav1.ImageNotFoundReason:             AtRest,
	infrav1.ShapeNotFoundReason:             AtRest,
	infrav1.ShapeUnknownReason:              AtRest,
	infrav1.ImageArchitectureMismatchReason: AtRest,
	infrav1.LaunchRefusedReason:             AtRest,
	infrav1.InstanceDuplicatedReason:        AtRest,
	infrav1.KeyRefusedReason:                AtRest,
	infrav1.BackendFailedReason:             AtRest,

	infrav1.ReadyReason:               AtRest,
	infrav1.NotDeletingReason:         AtRest,
	infrav1.StraysFoundReason:         AtRest,
	infrav1.NoRoomForAgentReason:      AtRest,
	infrav1.PolicyIncompleteReason:    AtRest,
	infrav1.NodesUnreachableReason:    AtRest,
	infrav1.ForeignApproversReason:    AtRest,
	infrav1.PolicyNotReadableReason:   AtRest,
	infrav1.QuorumInOneAccountReason:  AtRest,
	infrav1.InstanceStoppedReason:     AtRest,
	infrav1.InstanceTerminatedReason:  AtRest,
	infrav1.InstanceNotOwnedReason:    AtRest,
	infrav1.JoinTimeoutReason:         AtRest,
	infrav1.DeviceAmbiguousReason:     AtRest,
	infrav1.DeviceLostReason:          AtRest,
	infrav1.DeviceNotAuthorizedReason: AtRest,
	infrav1.DeviceLockedReason:        AtRest,
	infrav1.DeviceKeyExpiredReason:    AtRest,
	infrav1.DeviceWithoutIPv4Reason:   AtRest,
	infrav1.VIPNotHeldReason:          AtRest,
	infrav1.DeviceOfflineReason:       AtRest,
	infrav1.PodRouteRefusedReason:     AtRest,
	infrav1.PodRouteTakenReason:       AtRest,
	infrav1.UpdatingReason:            AtRest,
	infrav1.NodeUpdateFailedReason:    AtRest,
	infrav1.DrainInvalidReason:        AtRest,
	infrav1.RepairingReason:           AtRest,
	infrav1.StopLeftReason:            AtRest,
	infrav1.HandedOverReason:          AtRest,
	infrav1.MachineNotFoundReason:     AtRest,
}

// paceOf is the reason's; AtRest for one that is not known.
func (i Intervals) paceOf(reason string) Pace {
	if pace, ok := i.Paces[reason]; ok {
		return pace
	}
	return PaceOf(reason)
}

// PaceOf is that of a reason that kinds share; AtRest for one that is not known.
func PaceOf(reason string) Pace { return paces[reason] }

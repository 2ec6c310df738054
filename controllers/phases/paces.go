// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package phases

import infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"

// Pace is how soon an object with a problem is looked at again, if the service does not ask for a
// time.
type Pace int

const (
	// AtRest is for what a person fixes in Kubernetes, or another object brings: a watch shows it.
	AtRest Pace = iota
	// Outside is for what a person has to fix at OCI or at the control server.
	Outside
	// Passing is for problems that pass by themselves.
	Passing
	// UnderWay is while something is being made or removed.
	UnderWay
	// Noted is for reasons that no problem has. Who notes one asks for the next pass itself: with
	// WaitFor or Requeue, or by leaving it to the last phase.
	Noted
)

// paces are those of all reasons that kinds share; Intervals has those of one kind.
var paces = map[string]Pace{
	infrav1.NetworkProvisioningReason:  UnderWay,
	infrav1.EndpointProvisioningReason: UnderWay,
	infrav1.InstanceProvisioningReason: UnderWay,
	infrav1.ClaimingReason:             UnderWay,
	infrav1.DeletingReason:             UnderWay,
	infrav1.WaitingReason:              UnderWay,

	infrav1.UnavailableReason:           Passing,
	infrav1.ThrottledReason:             Passing,
	infrav1.ConflictReason:              Passing,
	infrav1.WaitingForTerminationReason: Passing,
	infrav1.WaitingForAccountReason:     Passing,
	infrav1.NetworkInUseReason:          Passing,
	infrav1.LoadBalancerInUseReason:     Passing,

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
	infrav1.LeavingLoadBalancerReason:       AtRest, // the phase asks for the next pass

	infrav1.ReadyReason:                           Noted,
	infrav1.NotDeletingReason:                     Noted,
	infrav1.StraysFoundReason:                     Noted,
	infrav1.PolicyIncompleteReason:                Noted,
	infrav1.NodesUnreachableReason:                Noted,
	infrav1.ForeignApproversReason:                Noted,
	infrav1.PolicyNotReadableReason:               Noted,
	infrav1.QuorumInOneAccountReason:              Noted,
	infrav1.WaitingForClusterInfrastructureReason: Noted,
	infrav1.WaitingForBootstrapDataReason:         Noted,
	infrav1.InstanceStoppedReason:                 Noted,
	infrav1.InstanceTerminatedReason:              Noted,
	infrav1.InstanceNotOwnedReason:                Noted,
	infrav1.JoiningReason:                         Noted,
	infrav1.JoinTimeoutReason:                     Noted,
	infrav1.DeviceAmbiguousReason:                 Noted,
	infrav1.DeviceLostReason:                      Noted,
	infrav1.DeviceNotAuthorizedReason:             Noted,
	infrav1.DeviceLockedReason:                    Noted,
	infrav1.DeviceKeyExpiredReason:                Noted,
	infrav1.DeviceWithoutIPv4Reason:               Noted,
	infrav1.VIPNotHeldReason:                      Noted,
	infrav1.DeviceOfflineReason:                   Noted,
	infrav1.PodRouteRefusedReason:                 Noted,
	infrav1.PodRouteTakenReason:                   Noted,
	infrav1.BackendRegisteringReason:              Noted,
	infrav1.UpdatingReason:                        Noted,
	infrav1.NodeUpdateFailedReason:                Noted,
	infrav1.RepairingReason:                       Noted,
	infrav1.StopLeftReason:                        Noted,
	infrav1.HandedOverReason:                      Noted,
	infrav1.MachineNotFoundReason:                 Noted,
}

// paceOf is the reason's; AtRest for one that is not known.
func (i Intervals) paceOf(reason string) Pace {
	if pace, ok := i.Paces[reason]; ok {
		return pace
	}
	return paces[reason]
}

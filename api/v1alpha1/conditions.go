// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

// ReadyCondition sums up an object: it is True when all others are as they should be, and otherwise
// carries the reason and the message of the first exception. Cluster API mirrors it as
// InfrastructureReady.
const ReadyCondition = clusterv1.ReadyCondition

// DeletingCondition tells the progress of a deletion and its present wait.
const DeletingCondition = clusterv1.DeletingCondition

// Reasons for every condition.
const (
	// ReadyReason surfaces when the condition is met.
	ReadyReason = "Ready"
	// NotDeletingReason surfaces on Deleting while the object is not being deleted.
	NotDeletingReason = "NotDeleting"
	// DeletingReason surfaces while the object is being deleted.
	DeletingReason = "Deleting"
	// InUseReason surfaces on Deleting while others need the object: clusters, machines or machine
	// pools. Remedy: delete those first.
	InUseReason = "InUse"
	// WaitingReason surfaces while an earlier step is not done.
	WaitingReason = "Waiting"
	// HeldElsewhereReason surfaces when another management cluster with the same objects holds this
	// object's resource: one of the two was restored from a backup. Remedy: in the message.
	HeldElsewhereReason = "HeldElsewhere"
	// ClaimingReason surfaces while a resource is claimed from another management cluster, and that
	// one may still object.
	ClaimingReason = "Claiming"
	// InternalErrorReason surfaces on errors only the provider's authors can fix; it is retried.
	InternalErrorReason = "InternalError"
	// ThrottledReason surfaces while OCI or the tailnet asks to slow down; it is retried.
	ThrottledReason = "Throttled"
	// UnavailableReason surfaces while a service cannot be reached or answers with a server error;
	// it is retried.
	UnavailableReason = "Unavailable"
	// ConflictReason surfaces while OCI or the tailnet refuses an operation because of a resource's
	// state; it is retried.
	ConflictReason = "Conflict"
	// RequestRefusedReason surfaces when OCI or the tailnet refuses a request as invalid. Remedy:
	// in the message.
	RequestRefusedReason = "RequestRefused"
	// OutOfCapacityReason surfaces when a data centre has no room.
	OutOfCapacityReason = "OutOfCapacity"
	// LimitExceededReason surfaces when a service limit is used up. Remedy: ask Oracle for a higher
	// one, or free some.
	LimitExceededReason = "LimitExceeded"
	// QuotaExceededReason surfaces when a quota of the account is used up. Remedy: have it raised,
	// or free some.
	QuotaExceededReason = "QuotaExceeded"
)

// Conditions of OCIAccount and their reasons.
const (
	// CredentialsValidCondition is True while requests with the credentials are accepted. Also of
	// Tailnet.
	CredentialsValidCondition = "CredentialsValid"
	// SecretNotFoundReason surfaces when the Secret does not exist. Remedy: create it.
	SecretNotFoundReason = "SecretNotFound"
	// SecretInvalidReason surfaces when a key of the Secret is missing or malformed. Remedy: fix
	// the Secret.
	SecretInvalidReason = "SecretInvalid"
	// AuthenticationFailedReason surfaces when the service refuses the credentials: key of another
	// user or tenancy, revoked key, clock far off. Remedy: fix the Secret.
	AuthenticationFailedReason = "AuthenticationFailed"

	// CompartmentAccessibleCondition is True while the compartment answers to the credentials.
	CompartmentAccessibleCondition = "CompartmentAccessible"
	// NotAuthorizedOrNotFoundReason surfaces when OCI says so: the compartment does not exist, or
	// the policy does not allow it. Remedy: check the OCID and the policy.
	NotAuthorizedOrNotFoundReason = "NotAuthorizedOrNotFound"
	// RegionUnknownReason surfaces when the region does not exist or the tenancy is not subscribed
	// to it. Remedy: fix the region, or subscribe.
	RegionUnknownReason = "RegionUnknown"
)

// Conditions of OCIAccount and Tailnet about resources without an object, and their reasons.
const (
	// StraysAbsentCondition is True while every resource with the provider's tags belongs to an
	// object. It does not count for Ready: a stray costs money or may be misused, but everything
	// still works.
	StraysAbsentCondition = "StraysAbsent"
	// StraysFoundReason surfaces when there are some. Remedy: in the message; nothing removes them
	// by itself.
	StraysFoundReason = "StraysFound"
)

// Reasons of Tailnet's conditions.
const (
	// TagNotPermittedReason surfaces when keys with the tags are refused. Remedy: add the tags to
	// the policy's tagOwners and to the OAuth client.
	TagNotPermittedReason = "TagNotPermitted"
	// ScopeMissingReason surfaces when the OAuth client lacks a scope. Remedy: grant auth_keys,
	// devices:core, devices:routes.
	ScopeMissingReason = "ScopeMissing"
	// HeadscaleTooOldReason surfaces when the server is a Headscale before 0.28, or, with an OAuth
	// client, before 0.30. Remedy: upgrade it, or use an API key.
	HeadscaleTooOldReason = "HeadscaleTooOld"

	// PolicyReadyCondition is True while the tailnet's policy has what nodes need. It counts for
	// Ready only with NodesUnreachable.
	PolicyReadyCondition = "PolicyReady"
	// PolicyIncompleteReason surfaces when the policy lacks owners of tags, rules between nodes,
	// approvers of routes or attributes of nodes. Remedy: add what the message has.
	PolicyIncompleteReason = "PolicyIncomplete"
	// NodesUnreachableReason surfaces when no rule of the policy lets nodes, or control planes,
	// reach any other. Remedy: add what the message has.
	NodesUnreachableReason = "NodesUnreachable"
	// ForeignApproversReason surfaces when autoApprovers of the policy give devices that must not
	// have them routes of API servers or pods. Remedy: in the message.
	ForeignApproversReason = "ForeignApprovers"
	// PolicyNotReadableReason surfaces when the server does not show the policy to the credentials.
	// Remedy: none is needed; the scope policy_file:read lets it be compared.
	PolicyNotReadableReason = "PolicyNotReadable"
)

// Conditions of OCIMeshCluster and their reasons.
const (
	// AccountsReadyCondition is True while every account is usable by the cluster: machines can be
	// placed in it. An unusable one affects its own machines only. It counts for Ready until
	// machines may be made, and then while no account that allows control planes is usable.
	AccountsReadyCondition = "AccountsReady"
	// AccountNotFoundReason surfaces when an OCIAccount does not exist. Remedy: create it or take
	// it off the list.
	AccountNotFoundReason = "AccountNotFound"
	// AccountNotReadyReason surfaces when an OCIAccount is not Ready, or is for the compartment of
	// another one of the cluster. Remedy: look at its conditions; give it its own compartment.
	AccountNotReadyReason = "AccountNotReady"
	// NamespaceNotAllowedReason surfaces when the account or the tailnet does not allow the
	// cluster's namespace. Remedy: have its owner add the namespace to allowedNamespaces.
	NamespaceNotAllowedReason = "NamespaceNotAllowed"

	// AccountReadyCondition is one account's, in status.accounts: True while its OCIAccount can be
	// used.
	AccountReadyCondition = "AccountReady"

	// ControlPlaneSpreadCondition is True while no account holds so many control planes that its
	// loss takes etcd's quorum. It does not count for Ready, and is absent until the number of
	// control planes is known.
	ControlPlaneSpreadCondition = "ControlPlaneSpread"
	// QuorumInOneAccountReason surfaces when the loss of one account takes etcd's quorum, as the
	// spec has it or as the control planes are placed. Remedy: in the message.
	QuorumInOneAccountReason = "QuorumInOneAccount"

	// NetworkReadyCondition is True while the network of every account that its OCIAccount lets be
	// used exists as specified. It counts for Ready as AccountsReady does.
	NetworkReadyCondition = "NetworkReady"
	// NetworkProvisioningReason surfaces while networks are being made.
	NetworkProvisioningReason = "NetworkProvisioning"
	// NetworkFailedReason surfaces when OCI refuses a network, or when the one that is there is not
	// the one of the spec, or not the cluster's any more. Remedy: in the message.
	NetworkFailedReason = "NetworkFailed"
	// NetworkInUseReason surfaces while a network cannot be deleted because machines, machine
	// pools or other resources are in it.
	NetworkInUseReason = "NetworkInUse"

	// TailnetReadyCondition is True while the tailnet is usable by the cluster; on a machine, while
	// its device is joined.
	TailnetReadyCondition = "TailnetReady"
	// TailnetNotFoundReason surfaces when the Tailnet does not exist. Remedy: create it.
	TailnetNotFoundReason = "TailnetNotFound"
	// TailnetNotReadyReason surfaces when the Tailnet is not Ready; on an OCIMeshRemediation in the
	// minutes after that, too. Remedy: look at its conditions.
	TailnetNotReadyReason = "TailnetNotReady"

	// RangesDistinctCondition is True while no range of the cluster meets another one, its own or
	// of the tailnet. It counts for Ready until machines may be made. Also of Tailnet, about its
	// vipRange, where it does not count for Ready.
	RangesDistinctCondition = "RangesDistinct"
	// RangesOverlapReason surfaces when two of the cluster's own ranges overlap: pods, services,
	// VCNs. Remedy: in the message.
	RangesOverlapReason = "RangesOverlap"
	// RangesChangedReason surfaces when the Cluster's pod or service ranges are others than before
	// the first machine. Remedy: change them back.
	RangesChangedReason = "RangesChanged"
	// PodRangeNotAllowedReason surfaces with pod network mode TailnetRoutes when the tailnet must
	// not have the pod range: it is not in podRanges, not private, or has VIPs. Remedy: in the
	// message.
	PodRangeNotAllowedReason = "PodRangeNotAllowed"
	// PodRangeInUseReason surfaces when a pod range on the tailnet's routes meets another cluster's
	// range, or a device's approved route. Remedy: in the message.
	PodRangeInUseReason = "PodRangeInUse"
	// ServiceRangeRoutedReason surfaces when a device of the tailnet has a route to service
	// addresses approved. Remedy: in the message.
	ServiceRangeRoutedReason = "ServiceRangeRouted"

	// EndpointReadyCondition is True once the API server's address is known.
	EndpointReadyCondition = "EndpointReady"
	// EndpointTypeUnknownReason surfaces when this version of the provider does not know
	// spec.endpointType: a newer one made the cluster. Remedy: upgrade the provider.
	EndpointTypeUnknownReason = "EndpointTypeUnknown"
	// VIPRangeMissingReason surfaces when the tailnet has no vipRange. Remedy: set it, or use
	// endpointType External.
	VIPRangeMissingReason = "VIPRangeMissing"
	// VIPRangeExhaustedReason surfaces when every address is taken. Remedy: delete clusters or use
	// another Tailnet object.
	VIPRangeExhaustedReason = "VIPRangeExhausted"
	// VIPRangeOverlapReason surfaces when the VIP range overlaps a pod, service or VCN range, of
	// another cluster of the tailnet, too, or that of an older Tailnet object of the same network.
	// Remedy: in the message.
	VIPRangeOverlapReason = "VIPRangeOverlap"
	// EndpointInUseReason surfaces when the address in spec.controlPlaneEndpoint is held by another
	// cluster of the tailnet. Remedy: leave it out to get a free one. On RangesDistinct it surfaces
	// when a device that is none of the cluster's control planes has the address's route approved.
	// Remedy: in the message.
	EndpointInUseReason = "EndpointInUse"
	// EndpointOutOfRangeReason surfaces with type TailnetVIP when the user's address is not in the
	// tailnet's vipRange, so no machine could advertise it. Remedy: in the message.
	EndpointOutOfRangeReason = "EndpointOutOfRange"
	// EndpointMissingReason surfaces with type External while no address is given. Remedy: set
	// spec.controlPlaneEndpoint.
	EndpointMissingReason = "EndpointMissing"
	// EndpointProvisioningReason surfaces while the load balancer is being created or repaired.
	EndpointProvisioningReason = "EndpointProvisioning"
	// EndpointFailedReason surfaces when OCI refuses, or fails to create or update, the load
	// balancer. Remedy: in the message.
	EndpointFailedReason = "EndpointFailed"
	// EndpointLostReason surfaces when the load balancer is gone and a new one would have another
	// address than spec.controlPlaneEndpoint, as held by certificates and nodes. Remedy: in the
	// message.
	EndpointLostReason = "EndpointLost"
	// LoadBalancerInUseReason surfaces on Deleting while OCI refuses to delete the load balancer.
	// Remedy: in the message.
	LoadBalancerInUseReason = "LoadBalancerInUse"
)

// Conditions of OCIMeshMachine and their reasons.
const (
	// PlacedCondition is True once account, domain, shape and image are decided.
	PlacedCondition = "Placed"
	// WaitingForClusterInfrastructureReason surfaces while the cluster's infrastructure is not
	// provisioned.
	WaitingForClusterInfrastructureReason = clusterv1.WaitingForClusterInfrastructureReadyReason
	// WaitingForBootstrapDataReason surfaces while the bootstrap provider has not made its Secret.
	WaitingForBootstrapDataReason = clusterv1.WaitingForBootstrapDataReason
	// BootstrapDataInvalidReason surfaces when the bootstrap data cannot be used: missing,
	// Ignition, malformed. Remedy: in the message.
	BootstrapDataInvalidReason = "BootstrapDataInvalid"
	// UserDataTooLargeReason surfaces when user data and metadata exceed OCI's 32,000 bytes.
	// Remedy: make the KubeadmConfig's files smaller.
	UserDataTooLargeReason = "UserDataTooLarge"
	// NoCapacityReason surfaces when no place had room. The message lists the tried places and the
	// time of the next try.
	NoCapacityReason = "NoCapacity"
	// BudgetExceededReason surfaces when the machine would exceed an account's budget and no other
	// place is expected to have room soon. Remedy: raise the budget, add accounts or delete
	// machines; the message has accounts and figures.
	BudgetExceededReason = "BudgetExceeded"
	// NoAccountReason surfaces when no ready account is allowed for the machine. Remedy: in the
	// message.
	NoAccountReason = "NoAccount"
	// FailureDomainUnknownReason surfaces when Machine.spec.failureDomain does not exist in the
	// cluster. Remedy: fix it.
	FailureDomainUnknownReason = "FailureDomainUnknown"
	// ImageNotFoundReason surfaces when an account has no such image for the shape. Remedy: fix
	// image, or import it there.
	ImageNotFoundReason = "ImageNotFound"
	// ShapeNotFoundReason surfaces when an account does not know the shape. Remedy: fix shapes.
	ShapeNotFoundReason = "ShapeNotFound"
	// ImageArchitectureMismatchReason surfaces when the image cannot run on the shape. Remedy: fix
	// image or shapes.
	ImageArchitectureMismatchReason = "ImageArchitectureMismatch"

	// InstanceReadyCondition is True while the instance is RUNNING.
	InstanceReadyCondition = "InstanceReady"
	// LaunchRefusedReason surfaces, in Placed, when the accounts that could take the machine refuse
	// its launch; the message has OCI's words for each and the time of the next try. In
	// InstanceReady it surfaces when one refuses it and an earlier launch may still turn up there.
	// Remedy: in the message.
	LaunchRefusedReason = "LaunchRefused"
	// InstanceProvisioningReason surfaces while the instance is being made or started.
	InstanceProvisioningReason = "InstanceProvisioning"
	// InstanceStoppedReason surfaces when the instance was stopped behind the provider's back. With
	// onStop Start it is started again. Remedy otherwise: start it, or delete the Machine.
	InstanceStoppedReason = "InstanceStopped"
	// InstanceTerminatedReason surfaces when the instance was terminated behind the provider's
	// back. Remedy: delete the Machine; a MachineHealthCheck does so.
	InstanceTerminatedReason = "InstanceTerminated"
	// InstanceNotOwnedReason surfaces when no account has the instance in spec.providerID with this
	// machine's tags: it is gone, or it belongs to something else. Remedy: in the message.
	InstanceNotOwnedReason = "InstanceNotOwned"
	// InstanceDuplicatedReason surfaces when two live instances carry the machine's tag. Remedy:
	// terminate the wrong one.
	InstanceDuplicatedReason = "InstanceDuplicated"
	// WaitingForTerminationReason surfaces on Deleting while the instance is not TERMINATED.
	WaitingForTerminationReason = "WaitingForTermination"
	// WaitingForAccountReason surfaces on Deleting while the account does not answer, so nothing
	// can be proven gone.
	WaitingForAccountReason = "WaitingForAccount"

	// JoiningReason surfaces on TailnetReady while the machine boots and has not joined.
	JoiningReason = "Joining"
	// JoinTimeoutReason surfaces when the machine has not joined long after its start. Remedy: in
	// the message.
	JoinTimeoutReason = "JoinTimeout"
	// KeyRefusedReason surfaces when the tailnet refuses to make a key. Remedy: in the message.
	KeyRefusedReason = "KeyRefused"
	// DeviceAmbiguousReason surfaces when several devices could be the machine's and nothing tells
	// them apart. Nothing is done with any of them. Remedy: remove the wrong ones from the tailnet.
	DeviceAmbiguousReason = "DeviceAmbiguous"
	// DeviceLostReason surfaces when the recorded device is gone from the tailnet, also if another
	// has its identifier now: none is taken for it. Remedy: replace the machine.
	DeviceLostReason = "DeviceLost"
	// DeviceNotAuthorizedReason surfaces while the device waits for an administrator's approval.
	// Remedy: approve it.
	DeviceNotAuthorizedReason = "DeviceNotAuthorized"
	// DeviceLockedReason surfaces when Tailnet Lock keeps the device from talking to others.
	// Remedy: sign its node key.
	DeviceLockedReason = "DeviceLocked"
	// DeviceKeyExpiredReason surfaces when the device's node key has expired. Remedy: switch key
	// expiry off for it.
	DeviceKeyExpiredReason = "DeviceKeyExpired"
	// DeviceWithoutIPv4Reason surfaces when the device has no IPv4 address in the tailnet. Remedy:
	// in the message.
	DeviceWithoutIPv4Reason = "DeviceWithoutIPv4"
	// VIPNotHeldReason surfaces on a control plane while its cluster does not hold the VIP in the
	// Tailnet's status, so the VIP's route is not approved. Remedy: look at EndpointReady of the
	// OCIMeshCluster.
	VIPNotHeldReason = "VIPNotHeld"
	// DeviceOfflineReason surfaces when the device lost its connection to the coordination server.
	DeviceOfflineReason = "DeviceOffline"
	// PodRouteRefusedReason surfaces with pod network mode TailnetRoutes when a node advertises a
	// route that cannot be its pod CIDR, or is another device's. Remedy: in the message.
	PodRouteRefusedReason = "PodRouteRefused"
	// PodRouteTakenReason surfaces with pod network mode TailnetRoutes when another device has got
	// a route approved that takes what is sent to the machine's pods. Remedy: in the message.
	PodRouteTakenReason = "PodRouteTaken"

	// LoadBalancerReadyCondition is True while a control plane is a backend of the cluster's load
	// balancer. Other machines do not have it.
	LoadBalancerReadyCondition = "LoadBalancerReady"
	// BackendRegisteringReason surfaces while the machine is being made a backend.
	BackendRegisteringReason = "BackendRegistering"
	// BackendFailedReason surfaces when OCI refuses the backend, or fails to add it. Remedy: in the
	// message.
	BackendFailedReason = "BackendFailed"
	// LeavingLoadBalancerReason surfaces on Deleting while the machine is taken out of the load
	// balancer, the first step.
	LeavingLoadBalancerReason = "LeavingLoadBalancer"

	// AgentsCompleteCondition is False on a machine whose node goes without agents of the
	// provider's, and on a pool whose further nodes do; it is absent otherwise. It does not count
	// for Ready: everything else works.
	AgentsCompleteCondition = "AgentsComplete"
	// NoRoomForAgentReason surfaces when the user data has no room for them. Remedy: in the
	// message.
	NoRoomForAgentReason = "NoRoomForAgent"

	// UpdatedCondition is True once instance and node are as the changed spec and Machine want
	// them. A machine has it while Cluster API updates it in place.
	UpdatedCondition = "Updated"
	// UpdatingReason surfaces while the instance or the node is changed in place.
	UpdatingReason = "Updating"
	// NodeUpdateFailedReason surfaces while the node cannot change a version in place, such as for
	// a repository without it. The node runs on and tries again; the message has the node's words.
	NodeUpdateFailedReason = "NodeUpdateFailed"
	// DrainInvalidReason surfaces while the Machine's annotation about its drain has an unknown
	// value, and a change in place waits for it. Remedy: Always, Never, or no annotation.
	DrainInvalidReason = "DrainInvalid"
)

// RemediatedCondition of OCIMeshRemediation is True once the Machine is healthy again. Its reasons
// follow.
const RemediatedCondition = "Remediated"

const (
	// RepairingReason surfaces while the machine is given time to become healthy, after the action
	// in the message. Also on ExternallyRemediated of the Machine.
	RepairingReason = "Repairing"
	// StopLeftReason surfaces while the instance is stopped and the machine's onStop is Leave: it
	// is neither started nor replaced. Remedy: start it, set onStop to Start, or delete the
	// Machine.
	StopLeftReason = "StopLeft"
	// HandedOverReason surfaces once no step is left, or the instance is gone: the Machine's owner
	// has been asked to replace it. Also on ExternallyRemediated of the Machine.
	HandedOverReason = "HandedOver"
	// MachineNotFoundReason surfaces when the request has no Machine as its owner. Remedy: delete
	// the request; MachineHealthChecks make them.
	MachineNotFoundReason = "MachineNotFound"
)

// CapacityKnownCondition of OCIMeshMachineTemplate is True once status.capacity is filled.
const CapacityKnownCondition = "CapacityKnown"

// ShapeUnknownReason surfaces when no account in reach knows the template's first shape, and on
// Placed when OCI does not tell the size of a shape under a budget of OCPUs or memory. Remedy: use
// another shape, or bound instances.
const ShapeUnknownReason = "ShapeUnknown"

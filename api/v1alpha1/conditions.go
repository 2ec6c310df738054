// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

// ReadyCondition sums up an object: it is True when all others are as they should be, and otherwise
// carries the reason and the message of the first that is not. Cluster API mirrors it as
// InfrastructureReady.
const ReadyCondition = clusterv1.ReadyCondition

// DeletingCondition tells how far a deletion is and what it waits for.
const DeletingCondition = clusterv1.DeletingCondition

// Reasons that every condition may have.
const (
	// ReadyReason surfaces when all is well.
	ReadyReason = "Ready"
	// NotDeletingReason surfaces on Deleting while the object is not being deleted.
	NotDeletingReason = "NotDeleting"
	// DeletingReason surfaces while the object is being deleted.
	DeletingReason = "Deleting"
	// InUseReason surfaces on Deleting of an account or a tailnet while clusters use it. Remedy:
	// delete those first.
	InUseReason = "InUse"
	// WaitingReason surfaces while an earlier step is not done.
	WaitingReason = "Waiting"
	// HeldElsewhereReason surfaces when another management cluster with the same objects holds what
	// this object stands for: one of the two was restored from a backup. Remedy: in the message.
	HeldElsewhereReason = "HeldElsewhere"
	// ClaimingReason surfaces while something is claimed from another management cluster, which may
	// still mind.
	ClaimingReason = "Claiming"
	// InternalErrorReason surfaces on errors that nobody but the provider's authors can mend; it is
	// retried.
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
	// SecretInvalidReason surfaces when a key of the Secret is missing or malformed. Remedy: mend
	// the Secret.
	SecretInvalidReason = "SecretInvalid"
	// AuthenticationFailedReason surfaces when the service refuses the credentials: key of another
	// user or tenancy, revoked key, clock far off. Remedy: mend the Secret.
	AuthenticationFailedReason = "AuthenticationFailed"

	// CompartmentAccessibleCondition is True while the compartment answers to the credentials.
	CompartmentAccessibleCondition = "CompartmentAccessible"
	// NotAuthorizedOrNotFoundReason surfaces when OCI says so: the compartment does not exist, or
	// the policy does not allow it. Remedy: check the OCID and the policy.
	NotAuthorizedOrNotFoundReason = "NotAuthorizedOrNotFound"
	// RegionUnknownReason surfaces when the region does not exist or the tenancy is not subscribed
	// to it. Remedy: mend the region, or subscribe.
	RegionUnknownReason = "RegionUnknown"
)

// Conditions of OCIAccount and Tailnet about what belongs to no object, and their reasons.
const (
	// StraysAbsentCondition is True while nothing carries the provider's tags without belonging to
	// an object. It does not count for Ready: a stray costs money or may be misused, and keeps
	// nothing from working.
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
	// HeadscaleTooOldReason surfaces when the server has no API v2. Remedy: upgrade Headscale to
	// 0.30.
	HeadscaleTooOldReason = "HeadscaleTooOld"
)

// Conditions of OCIMeshCluster and their reasons.
const (
	// AccountsReadyCondition is True while every account is usable by the cluster. One that is not
	// affects its own machines only.
	AccountsReadyCondition = "AccountsReady"
	// AccountNotFoundReason surfaces when an OCIAccount does not exist. Remedy: create it or take
	// it off the list.
	AccountNotFoundReason = "AccountNotFound"
	// AccountNotReadyReason surfaces when an OCIAccount is not Ready. Remedy: look at that
	// account's conditions.
	AccountNotReadyReason = "AccountNotReady"
	// NamespaceNotAllowedReason surfaces when the account or the tailnet does not allow the
	// cluster's namespace. Remedy: have its owner add the namespace to allowedNamespaces.
	NamespaceNotAllowedReason = "NamespaceNotAllowed"

	// NetworkReadyCondition is True while the network of every usable account exists as specified.
	NetworkReadyCondition = "NetworkReady"
	// NetworkProvisioningReason surfaces while networks are being made.
	NetworkProvisioningReason = "NetworkProvisioning"
	// NetworkFailedReason surfaces when OCI refuses a network. Remedy: in the message.
	NetworkFailedReason = "NetworkFailed"
	// NetworkInUseReason surfaces while a network cannot be deleted because machines or other
	// resources are in it.
	NetworkInUseReason = "NetworkInUse"

	// TailnetReadyCondition is True while the tailnet is usable by the cluster; on a machine, while
	// its device is joined.
	TailnetReadyCondition = "TailnetReady"
	// TailnetNotFoundReason surfaces when the Tailnet does not exist. Remedy: create it.
	TailnetNotFoundReason = "TailnetNotFound"
	// TailnetNotReadyReason surfaces when the Tailnet is not Ready. Remedy: look at its conditions.
	TailnetNotReadyReason = "TailnetNotReady"

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
	// VIPRangeOverlapReason surfaces when the VIP range overlaps a pod, service or VCN range.
	// Remedy: change one of them.
	VIPRangeOverlapReason = "VIPRangeOverlap"
	// EndpointInUseReason surfaces when the address in spec.controlPlaneEndpoint is held by another
	// cluster of the tailnet. Remedy: leave it out, so that a free one is taken.
	EndpointInUseReason = "EndpointInUse"
	// EndpointOutOfRangeReason surfaces with type TailnetVIP when the address that the user gave is
	// not in the tailnet's vipRange, so that nobody could advertise it. Remedy: in the message.
	EndpointOutOfRangeReason = "EndpointOutOfRange"
	// EndpointMissingReason surfaces with type External while no address is given. Remedy: set
	// spec.controlPlaneEndpoint.
	EndpointMissingReason = "EndpointMissing"
	// EndpointProvisioningReason surfaces while the load balancer is being made or mended.
	EndpointProvisioningReason = "EndpointProvisioning"
	// EndpointFailedReason surfaces when OCI refuses the load balancer, or gives it up. Remedy: in
	// the message.
	EndpointFailedReason = "EndpointFailed"
	// EndpointLostReason surfaces when the load balancer is gone and another one would have another
	// address than spec.controlPlaneEndpoint, which is in certificates and on nodes. Remedy: in the
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
	// NoCapacityReason surfaces when every place had no room. The message lists what was tried and
	// when the next try is.
	NoCapacityReason = "NoCapacity"
	// BudgetExceededReason surfaces when the machine would exceed an account's budget and no other
	// place is expected to have room soon. Remedy: raise the budget, add accounts or delete
	// machines; the message has accounts and figures.
	BudgetExceededReason = "BudgetExceeded"
	// NoAccountReason surfaces when no ready account is allowed for the machine. Remedy: in the
	// message.
	NoAccountReason = "NoAccount"
	// FailureDomainUnknownReason surfaces when Machine.spec.failureDomain is none of the cluster's.
	// Remedy: mend it.
	FailureDomainUnknownReason = "FailureDomainUnknown"
	// ImageNotFoundReason surfaces when an account has no such image for the shape. Remedy: mend
	// image, or import it there.
	ImageNotFoundReason = "ImageNotFound"
	// ShapeNotFoundReason surfaces when an account does not know the shape. Remedy: mend shapes.
	ShapeNotFoundReason = "ShapeNotFound"
	// ImageArchitectureMismatchReason surfaces when the image cannot run on the shape. Remedy: mend
	// image or shapes.
	ImageArchitectureMismatchReason = "ImageArchitectureMismatch"

	// InstanceReadyCondition is True while the instance is RUNNING.
	InstanceReadyCondition = "InstanceReady"
	// LaunchRefusedReason surfaces when OCI refuses the launch as invalid. Remedy: in OCI's
	// message.
	LaunchRefusedReason = "LaunchRefused"
	// InstanceProvisioningReason surfaces while the instance is being made or started.
	InstanceProvisioningReason = "InstanceProvisioning"
	// InstanceStoppedReason surfaces when the instance was stopped behind the provider's back.
	// Remedy: start it, or delete the Machine.
	InstanceStoppedReason = "InstanceStopped"
	// InstanceTerminatedReason surfaces when the instance was terminated behind the provider's
	// back. Remedy: delete the Machine; a MachineHealthCheck does so.
	InstanceTerminatedReason = "InstanceTerminated"
	// InstanceNotOwnedReason surfaces when spec.providerID names an instance that no account has
	// with this machine's tags: it is gone, or it is somebody else's. Remedy: in the message.
	InstanceNotOwnedReason = "InstanceNotOwned"
	// InstanceDuplicatedReason surfaces when two live instances carry the machine's tag. Remedy:
	// terminate the wrong one.
	InstanceDuplicatedReason = "InstanceDuplicated"
	// WaitingForTerminationReason surfaces on Deleting while the instance is not TERMINATED.
	WaitingForTerminationReason = "WaitingForTermination"
	// WaitingForAccountReason surfaces on Deleting while the account does not answer, so that
	// nothing can be proven gone.
	WaitingForAccountReason = "WaitingForAccount"

	// JoiningReason surfaces on TailnetReady while the machine boots and has not joined.
	JoiningReason = "Joining"
	// JoinTimeoutReason surfaces when the machine has not joined for long after it started. Remedy:
	// in the message.
	JoinTimeoutReason = "JoinTimeout"
	// KeyRefusedReason surfaces when the tailnet refuses to make a key. Remedy: in the message.
	KeyRefusedReason = "KeyRefused"
	// DeviceAmbiguousReason surfaces when several devices could be the machine's and nothing tells
	// which. Nothing is done with any of them. Remedy: remove the wrong ones from the tailnet.
	DeviceAmbiguousReason = "DeviceAmbiguous"
	// DeviceLostReason surfaces when the recorded device is gone from the tailnet: no other is
	// taken for it. Remedy: replace the machine.
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
	// VIPNotHeldReason surfaces on a control plane while the Tailnet's status does not say that its
	// cluster holds the VIP, so that the VIP's route is not approved. Remedy: look at EndpointReady
	// of the OCIMeshCluster.
	VIPNotHeldReason = "VIPNotHeld"
	// DeviceOfflineReason surfaces when the device lost its connection to the coordination server.
	DeviceOfflineReason = "DeviceOffline"
	// PodRouteRefusedReason surfaces with pod network mode TailnetRoutes when a node advertises
	// what cannot be its pod CIDR, or what is another device's. Remedy: in the message.
	PodRouteRefusedReason = "PodRouteRefused"

	// LoadBalancerReadyCondition is True while a control plane is a backend of the cluster's load
	// balancer. Other machines do not have it.
	LoadBalancerReadyCondition = "LoadBalancerReady"
	// BackendRegisteringReason surfaces while the machine is being made a backend.
	BackendRegisteringReason = "BackendRegistering"
	// BackendFailedReason surfaces when OCI refuses the backend, or gives the change up. Remedy: in
	// the message.
	BackendFailedReason = "BackendFailed"
	// LeavingLoadBalancerReason surfaces on Deleting while the machine is taken out of the load
	// balancer, which comes first.
	LeavingLoadBalancerReason = "LeavingLoadBalancer"
)

// CapacityKnownCondition of OCIMeshMachineTemplate is True once status.capacity is filled.
const CapacityKnownCondition = "CapacityKnown"

// ShapeUnknownReason surfaces when no account in reach knows the template's first shape, and on
// Placed when OCI does not tell how large a shape is of which a budget bounds OCPUs or memory.
// Remedy: use another shape, or bound instances.
const ShapeUnknownReason = "ShapeUnknown"

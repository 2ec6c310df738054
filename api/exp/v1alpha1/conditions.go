// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Conditions of OCIMeshMachinePool and their reasons. Those common to other kinds are in
// api/v1alpha1.
const (
	// ConfigurationReadyCondition is True once the configuration for new instances matches the
	// pool's spec, its bootstrap data and its tailnet key.
	ConfigurationReadyCondition = "ConfigurationReady"
	// WaitingForNetworkReason surfaces while the account has no ready network for the cluster.
	WaitingForNetworkReason = "WaitingForNetwork"
	// ConfigurationRefusedReason surfaces when OCI refuses the instance configuration. Remedy: in
	// OCI's message.
	ConfigurationRefusedReason = "ConfigurationRefused"

	// PoolReadyCondition is True while the instance pool has the MachinePool's size.
	PoolReadyCondition = "PoolReady"
	// PoolProvisioningReason surfaces while OCI makes the instance pool.
	PoolProvisioningReason = "PoolProvisioning"
	// PoolScalingReason surfaces while there are more or fewer instances than wanted.
	PoolScalingReason = "PoolScaling"
	// PoolRefusedReason surfaces when OCI refuses the instance pool, or to launch instances of it.
	// Remedy: in OCI's message.
	PoolRefusedReason = "PoolRefused"
	// PoolLostReason surfaces when the instance pool was terminated behind the provider's back;
	// another one is made.
	PoolLostReason = "PoolLost"
	// PoolNotFoundReason surfaces when a pool with instances and without a status, as after a move,
	// is not in its account: none is made. Remedy: an OCIAccount for the compartment that it is in;
	// or an empty spec.providerIDList if it is gone.
	PoolNotFoundReason = "PoolNotFound"
	// PoolNotOwnedReason surfaces when the instance pool in status carries the tags of another
	// machine pool: it is left alone.
	PoolNotOwnedReason = "PoolNotOwned"
	// PoolDuplicatedReason surfaces when two live instance pools carry the pool's tag. Remedy:
	// terminate the wrong one.
	PoolDuplicatedReason = "PoolDuplicated"

	// InstancesReadyCondition is True while all instances of the pool run and are on the tailnet.
	InstancesReadyCondition = "InstancesReady"
	// InstancesJoiningReason surfaces while instances boot or join.
	InstancesJoiningReason = "InstancesJoining"

	// InstanceNotOwnedReason surfaces when spec.providerID names an instance without the tags of
	// the object's pool: it belongs to something else, and is left alone. It also surfaces when the
	// account does not show the instance and never did: it may be elsewhere. Remedy: in the
	// message.
	InstanceNotOwnedReason = "InstanceNotOwned"
)

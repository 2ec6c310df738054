// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"

	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

// PowerAction is an action of OCI's InstanceAction, in its words (oci-go-sdk
// core/instance_action_request_response.go).
type PowerAction string

const (
	// ActionStart powers a stopped instance on.
	ActionStart PowerAction = "START"
	// ActionSoftReset has the operating system shut down, and powers the instance on again. It is
	// powered off if the operating system takes more than 15 minutes (oci-go-sdk
	// core/core_compute_client.go, InstanceAction).
	ActionSoftReset PowerAction = "SOFTRESET"
	// ActionReset powers a running instance off and on.
	ActionReset PowerAction = "RESET"
)

// InstanceAction asks for the action and does not wait for it. It returns the instance as it is
// then. The same token, of at most 64 bytes, makes repeated calls one, for 24 hours.
func (c *Client) InstanceAction(ctx context.Context, own ownership.Proof, action PowerAction, token string) (Instance, error) {
	id := own.ID()
	response, err := call(ctx, c, operation{service: serviceCompute, name: "InstanceAction"}.on(id), c.compute.InstanceAction,
		core.InstanceActionRequest{InstanceId: &id, Action: core.InstanceActionActionEnum(action), OpcRetryToken: optional(token)})
	if err != nil {
		return Instance{}, err
	}
	return instance(response.Instance), nil
}

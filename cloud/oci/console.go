// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"

	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

// ConsoleState is the state of a console history, in OCI's words (oci-go-sdk
// core/console_history.go).
type ConsoleState string

const (
	// ConsoleSucceeded histories can be read.
	ConsoleSucceeded ConsoleState = "SUCCEEDED"
	// ConsoleFailed histories never can.
	ConsoleFailed ConsoleState = "FAILED"
)

// maxConsole is the most that OCI captures (oci-go-sdk core/core_compute_client.go,
// CaptureConsoleHistory: "up to a megabyte").
const maxConsole = 1 << 20

// CaptureConsoleHistory asks for a capture of the instance's serial console and returns its OCID.
// The same token, of at most 64 bytes, makes repeated calls one, for 24 hours.
func (c *Client) CaptureConsoleHistory(ctx context.Context, own ownership.Proof, name, token string) (id string, err error) {
	instanceID := own.ID()
	response, err := call(ctx, c, operation{service: serviceCompute, name: "CaptureConsoleHistory"}, c.compute.CaptureConsoleHistory,
		core.CaptureConsoleHistoryRequest{
			CaptureConsoleHistoryDetails: core.CaptureConsoleHistoryDetails{InstanceId: &instanceID, DisplayName: optional(name)},
			OpcRetryToken:                optional(token),
		})
	return value(response.Id), err
}

// GetConsoleHistory returns the state of a capture.
func (c *Client) GetConsoleHistory(ctx context.Context, id string) (ConsoleState, error) {
	response, err := call(ctx, c, operation{service: serviceCompute, name: "GetConsoleHistory"}.on(id), c.compute.GetConsoleHistory,
		core.GetConsoleHistoryRequest{InstanceConsoleHistoryId: &id})
	return ConsoleState(response.LifecycleState), err
}

// GetConsoleHistoryContent returns what was captured. It may hold secrets: see cloud.Scrub.
func (c *Client) GetConsoleHistoryContent(ctx context.Context, id string) (string, error) {
	length := maxConsole
	response, err := call(ctx, c, operation{service: serviceCompute, name: "GetConsoleHistoryContent"}.on(id), c.compute.GetConsoleHistoryContent,
		core.GetConsoleHistoryContentRequest{InstanceConsoleHistoryId: &id, Length: &length})
	return value(response.Value), err
}

// DeleteConsoleHistory deletes a capture. One that is gone is deleted.
func (c *Client) DeleteConsoleHistory(ctx context.Context, own ownership.Proof) error {
	id := own.ID()
	_, err := call(ctx, c, operation{service: serviceCompute, name: "DeleteConsoleHistory"}.on(id), c.compute.DeleteConsoleHistory,
		core.DeleteConsoleHistoryRequest{InstanceConsoleHistoryId: &id})
	return err
}

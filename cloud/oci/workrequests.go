// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"slices"

	"github.com/oracle/oci-go-sdk/v65/workrequests"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
)

// operationLaunch is the name for reporting failures of a launch, those of its work request too.
const operationLaunch = "LaunchInstance"

// LaunchFailure looks up why an accepted resource was not created: the first error of its failed
// work requests, of the kind it would have had as a direct answer, such as cloud.OutOfCapacity.
// failure is nil if no work request of the resource has failed.
func (c *Client) LaunchFailure(ctx context.Context, resourceID string) (failure *cloud.Error, err error) {
	failed, err := c.failedWork(ctx, resourceID)
	if err != nil {
		return nil, err
	}
	for _, id := range failed {
		if failure, err = c.workRequestFailure(ctx, id); failure != nil || err != nil {
			return failure, err
		}
	}
	return nil, nil
}

// ReasonUntold is for users whose account's policy does not let the reason for a failure be looked
// up. It is empty if err says something else. Oracle's documentation ("Viewing Work Requests") has
// work requests follow the permissions of what began them, but their list needs one of its own.
func ReasonUntold(err error) string {
	if !cloud.IsKind(err, cloud.NotFoundOrUnauthorized, cloud.Forbidden) {
		return ""
	}
	return `OCI does not say why: the account's policy lacks "inspect work-requests"`
}

// failedWork are the OCIDs of the failed work requests of a resource, oldest first.
func (c *Client) failedWork(ctx context.Context, resourceID string) ([]string, error) {
	items, err := c.workOf(ctx, resourceID)
	if err != nil {
		return nil, err
	}
	var failed []string
	for _, item := range items {
		if item.Status == workrequests.WorkRequestSummaryStatusFailed {
			failed = append(failed, value(item.Id))
		}
	}
	return failed, nil
}

// workOf are the work requests of a resource, oldest first. OCI promises no order of them and can
// be asked for none.
func (c *Client) workOf(ctx context.Context, resourceID string) ([]workrequests.WorkRequestSummary, error) {
	type request = workrequests.ListWorkRequestsRequest
	type response = workrequests.ListWorkRequestsResponse
	items, err := listAll(ctx, c, pager[request, response, workrequests.WorkRequestSummary]{
		op:      operation{service: serviceWorkRequests, name: "ListWorkRequests"},
		do:      c.workRequests.ListWorkRequests,
		request: request{CompartmentId: &c.compartmentID, ResourceId: &resourceID, Limit: new(PageSize)},
		turn:    func(r *request, page *string) { r.Page = page },
		read:    func(r response) ([]workrequests.WorkRequestSummary, *string) { return r.Items, r.OpcNextPage },
	})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(items, func(a, b workrequests.WorkRequestSummary) int {
		return timestamp(a.TimeAccepted).Compare(timestamp(b.TimeAccepted))
	})
	return items, nil
}

// workRequestFailure is the first error of a work request; nil if there is none.
func (c *Client) workRequestFailure(ctx context.Context, id string) (*cloud.Error, error) {
	failures, err := c.workRequestFailures(ctx, id)
	if len(failures) == 0 || err != nil {
		return nil, err
	}
	return failures[0], nil
}

// workRequestFailures are the errors of a work request, oldest first.
func (c *Client) workRequestFailures(ctx context.Context, id string) ([]*cloud.Error, error) {
	type request = workrequests.ListWorkRequestErrorsRequest
	type response = workrequests.ListWorkRequestErrorsResponse
	items, err := listAll(ctx, c, pager[request, response, workrequests.WorkRequestError]{
		op:      operation{service: serviceWorkRequests, name: "ListWorkRequestErrors"}.on(id),
		do:      c.workRequests.ListWorkRequestErrors,
		request: request{WorkRequestId: &id},
		turn:    func(r *request, page *string) { r.Page = page },
		read:    func(r response) ([]workrequests.WorkRequestError, *string) { return r.Items, r.OpcNextPage },
	})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(items, func(a, b workrequests.WorkRequestError) int {
		return timestamp(a.Timestamp).Compare(timestamp(b.Timestamp))
	})
	var failures []*cloud.Error
	for _, item := range items {
		code, message := cloud.Scrub(value(item.Code)), cloud.Scrub(value(item.Message))
		failures = append(failures, &cloud.Error{
			Kind: serviceKind(0, code, message), Service: serviceCompute, Operation: operationLaunch, Code: code, Message: message,
		})
	}
	return failures, nil
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"strconv"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/model"
)

// computeRoutes are those of oci-go-sdk's core ComputeClient and of its workrequests package.
func computeRoutes() []route {
	return []route{
		{pattern: "GET /20160918/shapes", operation: "ListShapes", handle: listShapes},
		{pattern: "GET /20160918/images", operation: "ListImages", handle: listImages},
		{pattern: "GET /20160918/images/{id}", operation: "GetImage", handle: gets((*model.State).GetImage)},
		{pattern: "GET /20160918/images/{id}/shapes", operation: "ListImageShapeCompatibilityEntries", handle: listImageShapes},

		{pattern: "GET /20160918/instances", operation: "ListInstances", handle: lists("availabilityDomain", (*model.State).ListInstances)},
		{pattern: "POST /20160918/instances", operation: "LaunchInstance", handle: launch},
		{pattern: "GET /20160918/instances/{id}", operation: "GetInstance", handle: gets((*model.State).GetInstance)},
		{pattern: "PUT /20160918/instances/{id}", operation: "UpdateInstance", handle: updateInstance},
		{pattern: "POST /20160918/instances/{id}", operation: "InstanceAction", handle: instanceAction},
		{pattern: "DELETE /20160918/instances/{id}", operation: "TerminateInstance", handle: terminate},

		{pattern: "POST /20160918/instanceConsoleHistories", operation: "CaptureConsoleHistory", handle: creates((*model.State).CaptureConsoleHistory)},
		{pattern: "GET /20160918/instanceConsoleHistories/{id}", operation: "GetConsoleHistory", handle: gets((*model.State).GetConsoleHistory)},
		{pattern: "GET /20160918/instanceConsoleHistories/{id}/data", operation: "GetConsoleHistoryContent", handle: consoleContent},
		{pattern: "DELETE /20160918/instanceConsoleHistories/{id}", operation: "DeleteConsoleHistory", handle: deletes((*model.State).DeleteConsoleHistory)},

		{pattern: "GET /20160918/vnicAttachments", operation: "ListVnicAttachments", handle: listsAttachments("vnicId", (*model.State).ListVnicAttachments)},
		{pattern: "POST /20160918/vnicAttachments", operation: "AttachVnic", handle: creates((*model.State).AttachVnic)},
		{pattern: "DELETE /20160918/vnicAttachments/{id}", operation: "DetachVnic", handle: deletes((*model.State).DetachVnic)},
		{pattern: "GET /20160918/vnicAttachments/{id}", operation: "GetVnicAttachment", handle: gets((*model.State).GetVnicAttachment)},
		{pattern: "GET /20160918/volumeAttachments", operation: "ListVolumeAttachments", handle: listsAttachments("volumeId", (*model.State).ListVolumeAttachments)},
		{pattern: "POST /20160918/volumeAttachments", operation: "AttachVolume", handle: creates((*model.State).AttachVolume)},
		{pattern: "GET /20160918/volumeAttachments/{id}", operation: "GetVolumeAttachment", handle: gets((*model.State).GetVolumeAttachment)},
		{pattern: "DELETE /20160918/volumeAttachments/{id}", operation: "DetachVolume", handle: deletes((*model.State).DetachVolume)},
		{pattern: "GET /20160918/bootVolumeAttachments", operation: "ListBootVolumeAttachments", handle: listsAttachments("bootVolumeId", (*model.State).ListBootVolumeAttachments)},
		{pattern: "GET /20160918/bootVolumeAttachments/{id}", operation: "GetBootVolumeAttachment", handle: gets((*model.State).GetBootVolumeAttachment)},

		{pattern: "GET /20160918/workRequests", operation: "ListWorkRequests", handle: func(c *call) (any, error) {
			query, err := c.listQuery()
			if err != nil {
				return nil, err
			}
			items, next, err := c.state.ListWorkRequests(c.user, query, c.query("resourceId"), false)
			return page(c, items, next, err)
		}},
		{pattern: "GET /20160918/workRequests/{id}", operation: "GetWorkRequest", handle: func(c *call) (any, error) {
			return result(c.state.GetWorkRequest(c.user, c.path("id"), false))
		}},
		{pattern: "GET /20160918/workRequests/{id}/errors", operation: "ListWorkRequestErrors", handle: func(c *call) (any, error) {
			query, err := c.listQuery()
			if err != nil {
				return nil, err
			}
			items, next, err := c.state.ListWorkErrors(c.user, c.path("id"), false, query)
			return page(c, items, next, err)
		}},
	}
}

func listShapes(c *call) (any, error) {
	query, err := c.listQuery()
	if err != nil {
		return nil, err
	}
	items, next, err := c.state.ListShapes(c.user, query, c.query("imageId"), c.query("shape"), c.query("availabilityDomain"))
	return page(c, items, next, err)
}

func listImages(c *call) (any, error) {
	query, err := c.listQuery()
	if err != nil {
		return nil, err
	}
	items, next, err := c.state.ListImages(c.user, model.ImageQuery{ListQuery: query, OperatingSystem: c.query("operatingSystem"),
		OperatingSystemVersion: c.query("operatingSystemVersion"), Shape: c.query("shape")})
	return page(c, items, next, err)
}

func listImageShapes(c *call) (any, error) {
	query, err := c.listQuery()
	if err != nil {
		return nil, err
	}
	items, next, err := c.state.ListImageShapes(c.user, c.path("id"), query)
	return page(c, items, next, err)
}

func launch(c *call) (any, error) {
	var details model.LaunchDetails
	if err := decode(c.body, &details); err != nil {
		return nil, err
	}
	instance, work, err := c.state.LaunchInstance(c.user, details, c.failure)
	c.work(work)
	return result(instance, err)
}

func updateInstance(c *call) (any, error) {
	var details model.UpdateInstanceDetails
	if err := decode(c.body, &details); err != nil {
		return nil, err
	}
	instance, work, err := c.state.UpdateInstance(c.user, c.path("id"), c.ifMatch(), details)
	c.work(work)
	return result(instance, err)
}

func instanceAction(c *call) (any, error) {
	instance, work, err := c.state.Action(c.user, c.path("id"), c.query("action"), c.ifMatch())
	c.work(work)
	return result(instance, err)
}

// consoleContent answers with plain text. That there are 10 KB of it without a length is assumed.
func consoleContent(c *call) (any, error) {
	offset, err := c.number("offset", 0)
	if err != nil {
		return nil, err
	}
	length, err := c.number("length", 10240)
	if err != nil {
		return nil, err
	}
	content, remaining, err := c.state.ConsoleContent(c.user, c.path("id"), offset, length)
	if err != nil {
		return nil, err
	}
	c.header.Set("opc-bytes-remaining", strconv.Itoa(remaining))
	return plainText(content), nil
}

func terminate(c *call) (any, error) {
	preserveBoot, err := c.flag("preserveBootVolume", false)
	if err != nil {
		return nil, err
	}
	preserveData, err := c.flag("preserveDataVolumesCreatedAtLaunch", true)
	if err != nil {
		return nil, err
	}
	work, err := c.state.Terminate(c.user, c.path("id"), c.ifMatch(), preserveBoot, preserveData)
	c.work(work)
	return nil, err
}

func listsAttachments[R any](other string, operation func(*model.State, *model.User, model.AttachmentQuery) ([]R, string, error)) handler {
	return func(c *call) (any, error) {
		query, err := c.listQuery()
		if err != nil {
			return nil, err
		}
		items, next, err := operation(c.state, c.user, model.AttachmentQuery{ListQuery: query, AvailabilityDomain: c.query("availabilityDomain"),
			InstanceID: c.query("instanceId"), OtherID: c.query(other)})
		return page(c, items, next, err)
	}
}

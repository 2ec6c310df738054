// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import "github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/model"

// drgRoutes are those of oci-go-sdk's core VirtualNetworkClient for gateways between networks.
func drgRoutes() []route {
	const (
		drgs        = "/20160918/drgs"
		attachments = "/20160918/drgAttachments"
		peerings    = "/20160918/remotePeeringConnections"
	)
	return []route{
		{pattern: "GET " + drgs, operation: "ListDrgs", handle: lists("", (*model.State).ListDrgs)},
		{pattern: "POST " + drgs, operation: "CreateDrg", handle: creates((*model.State).CreateDrg)},
		{pattern: "GET " + drgs + "/{id}", operation: "GetDrg", handle: gets((*model.State).GetDrg)},
		{pattern: "DELETE " + drgs + "/{id}", operation: "DeleteDrg", handle: deletes((*model.State).DeleteDrg)},

		{pattern: "GET " + attachments, operation: "ListDrgAttachments", handle: lists("drgId", (*model.State).ListDrgAttachments)},
		{pattern: "POST " + attachments, operation: "CreateDrgAttachment", handle: creates((*model.State).CreateDrgAttachment)},
		{pattern: "GET " + attachments + "/{id}", operation: "GetDrgAttachment", handle: gets((*model.State).GetDrgAttachment)},
		{pattern: "DELETE " + attachments + "/{id}", operation: "DeleteDrgAttachment", handle: deletes((*model.State).DeleteDrgAttachment)},

		{pattern: "GET " + peerings, operation: "ListRemotePeeringConnections", handle: lists("drgId", (*model.State).ListRemotePeerings)},
		{pattern: "POST " + peerings, operation: "CreateRemotePeeringConnection", handle: creates((*model.State).CreateRemotePeering)},
		{pattern: "GET " + peerings + "/{id}", operation: "GetRemotePeeringConnection", handle: gets((*model.State).GetRemotePeering)},
		{pattern: "DELETE " + peerings + "/{id}", operation: "DeleteRemotePeeringConnection", handle: deletes((*model.State).DeleteRemotePeering)},
		{pattern: "POST " + peerings + "/{id}/actions/connect", operation: "ConnectRemotePeeringConnections", handle: func(c *call) (any, error) {
			var details model.ConnectDetails
			if err := decode(c.body, &details); err != nil {
				return nil, err
			}
			return nil, c.state.ConnectRemotePeering(c.user, c.path("id"), details)
		}},
	}
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import "github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/model"

// storageRoutes are those of oci-go-sdk's core BlockstorageClient.
func storageRoutes() []route {
	return []route{
		{pattern: "GET /20160918/volumes", operation: "ListVolumes", handle: lists("availabilityDomain", (*model.State).ListVolumes)},
		{pattern: "POST /20160918/volumes", operation: "CreateVolume", handle: creates((*model.State).CreateVolume)},
		{pattern: "GET /20160918/volumes/{id}", operation: "GetVolume", handle: gets((*model.State).GetVolume)},
		{pattern: "PUT /20160918/volumes/{id}", operation: "UpdateVolume", handle: updates((*model.State).UpdateVolume)},
		{pattern: "DELETE /20160918/volumes/{id}", operation: "DeleteVolume", handle: deletes((*model.State).DeleteVolume)},

		{pattern: "GET /20160918/bootVolumes", operation: "ListBootVolumes", handle: lists("availabilityDomain", (*model.State).ListBootVolumes)},
		{pattern: "POST /20160918/bootVolumes", operation: "CreateBootVolume", handle: creates((*model.State).CreateBootVolume)},
		{pattern: "GET /20160918/bootVolumes/{id}", operation: "GetBootVolume", handle: gets((*model.State).GetBootVolume)},
		{pattern: "PUT /20160918/bootVolumes/{id}", operation: "UpdateBootVolume", handle: updates((*model.State).UpdateBootVolume)},
		{pattern: "DELETE /20160918/bootVolumes/{id}", operation: "DeleteBootVolume", handle: deletes((*model.State).DeleteBootVolume), empty: 202},
	}
}

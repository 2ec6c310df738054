// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package instances

import (
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instancecache"
)

// RecordAddresses records the addresses of a running instance once a poll has fetched them; known
// is false until then. They stay for the instance's life.
func RecordAddresses(status *infrav1.InstanceStatus, id string, cache *instancecache.Cache) (known bool, err error) {
	if status.PrivateIP != "" {
		return true, nil
	}
	vnic, found, err := cache.Addresses(id)
	if err != nil || !found {
		return false, err
	}
	status.PrivateIP = vnic.PrivateIP.String()
	if vnic.PublicIP.IsValid() {
		status.PublicIP = vnic.PublicIP.String()
	}
	return true, nil
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetnode

import (
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// Addresses are a node's for Cluster API. The tailnet's IPv4 address comes first: the kubelet
// registers it, and other machines reach it. public may be empty.
func Addresses(status infrav1.TailnetDeviceStatus, public, hostname string) []clusterv1.MachineAddress {
	var addresses []clusterv1.MachineAddress
	for _, address := range status.Addresses {
		addresses = append(addresses, clusterv1.MachineAddress{Type: clusterv1.MachineInternalIP, Address: address})
	}
	if public != "" {
		addresses = append(addresses, clusterv1.MachineAddress{Type: clusterv1.MachineExternalIP, Address: public})
	}
	return append(addresses, clusterv1.MachineAddress{Type: clusterv1.MachineHostName, Address: hostname})
}

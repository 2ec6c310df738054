// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetnode

import (
	"testing"

	. "github.com/onsi/gomega"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

func TestTheTailnetsAddressComesFirst(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	status := infrav1.TailnetDeviceStatus{Addresses: []string{"100.64.0.1", "fd7a::1"}}
	of := func(kind clusterv1.MachineAddressType, address string) clusterv1.MachineAddress {
		return clusterv1.MachineAddress{Type: kind, Address: address}
	}
	tailnets := []clusterv1.MachineAddress{of(clusterv1.MachineInternalIP, "100.64.0.1"), of(clusterv1.MachineInternalIP, "fd7a::1")}
	g.Expect(Addresses(status, "", "worker")).To(Equal(append(tailnets, of(clusterv1.MachineHostName, "worker"))))
	g.Expect(Addresses(status, "192.0.2.1", "worker")).To(Equal(
		append(tailnets, of(clusterv1.MachineExternalIP, "192.0.2.1"), of(clusterv1.MachineHostName, "worker"))))
}

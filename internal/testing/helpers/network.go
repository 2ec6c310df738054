// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package helpers

import (
	"net/netip"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
)

// Network makes a VCN with a subnet in the account of this number. It returns what the status of a
// cluster in it says.
func (w *World) Network(t *testing.T, account int) infrav1.ClusterAccountStatus {
	t.Helper()
	g := NewWithT(t)
	c, err := w.Clients.OCI(t.Context(), w.Accounts[account])
	g.Expect(err).NotTo(HaveOccurred())
	available := func(state func() (oci.LifecycleState, error)) {
		g.Eventually(state).WithTimeout(30 * time.Second).WithPolling(5 * time.Millisecond).Should(Equal(oci.StateAvailable))
	}
	vcn, err := c.CreateVCN(t.Context(), oci.VCNSpec{DisplayName: "net", CIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")}})
	g.Expect(err).NotTo(HaveOccurred())
	available(func() (oci.LifecycleState, error) {
		seen, err := c.GetVCN(t.Context(), vcn.ID)
		return seen.State, err
	})
	subnet, err := c.CreateSubnet(t.Context(), oci.SubnetSpec{VCNID: vcn.ID, DisplayName: "net", CIDR: netip.MustParsePrefix("10.0.0.0/20")})
	g.Expect(err).NotTo(HaveOccurred())
	available(func() (oci.LifecycleState, error) {
		seen, err := c.GetSubnet(t.Context(), subnet.ID)
		return seen.State, err
	})
	return infrav1.ClusterAccountStatus{
		Name: w.Accounts[account].Name, Ready: ptr.To(true), VCNID: vcn.ID, SubnetID: subnet.ID, PublicIP: ptr.To(true),
	}
}

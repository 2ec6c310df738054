// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build lab

package boot_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/world"
)

// Two clusters in the same accounts have a VCN each, by default of the same range.
func TestVCNsOfAnAccountDoNotMeet(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	first := b.boot(world.SoloOptions{Account: alpha, Input: input("vcn-first", workerData(nil)), Files: files()})
	other := b.boot(world.SoloOptions{Account: alpha, VCN: "ocid1.vcn.oc1.lab.other", Input: input("vcn-other", workerData(nil)), Files: files()})

	neighbour := func(address string) string {
		_ = b.send(address + ":41641")
		found, err := inNamespace(t.Context(), clouds.RouterNamespace(alpha), "ip -4 neighbour show to "+address+" dev vcn")
		b.Expect(err).NotTo(HaveOccurred())
		return found
	}
	b.Eventually(neighbour, soon).WithArguments(first.PrivateIP).Should(ContainSubstring("lladdr"), "control")
	b.Expect(neighbour(other.PrivateIP)).NotTo(ContainSubstring("lladdr"))
	b.Expect(first.try("ping -c 1 -W 2 "+other.PrivateIP)).To(BeFalse(), "the same subnet by its range, another by its VCN")
	b.Eventually(other.ask(asService+"curl -fsS --max-time 5 -H 'Authorization: Bearer Oracle' http://169.254.169.254/opc/v2/instance/id"), soon).
		Should(Equal(other.ID), "each VCN has a metadata service")
}

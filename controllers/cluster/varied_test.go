// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"testing"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/varied"
)

func TestTheLifeOfAClusterWhateverOCIAnswers(t *testing.T) {
	varied.Run(t, 2, func(t *testing.T, seed uint64) {
		b := newBench(t, helpers.WorldOptions{Accounts: 2, Sim: sim.Options{Seed: seed, PageSize: 3}})
		infra := b.cluster("blue", withEndpoint(infrav1.EndpointNetworkLoadBalancer))
		b.until(infra, "Ready True Ready")
		b.deleted(infra)
		for _, tenancy := range b.Tenancies {
			left, err := b.OCI.Leftovers(tenancy.Name)
			NewWithT(t).Expect(err).NotTo(HaveOccurred())
			NewWithT(t).Expect(left).To(BeEmpty())
		}
	})
}

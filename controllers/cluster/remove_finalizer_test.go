// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"testing"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

func TestAClusterThatNeverGotAnywhereGoesAtOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	b.g.Expect(env.Client.Delete(t.Context(), b.Accounts[0])).To(Succeed())
	infra := b.cluster("c1")
	b.until(infra, "AccountsReady False AccountNotFound")

	b.deleted(infra)

	b.g.Expect(b.OCI.Calls()).To(BeEmpty())
}

func TestAClusterWithALoadBalancerThatNeverGotAnywhereGoesAtOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	b.g.Expect(env.Client.Delete(t.Context(), b.Accounts[0])).To(Succeed())
	infra := b.cluster("c1", balanced(infrav1.EndpointNetworkLoadBalancer))
	b.until(infra, "EndpointReady False Waiting")

	b.deleted(infra)

	b.g.Expect(b.OCI.Calls()).To(BeEmpty())
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// However many objects of namespaces that an account refuses say that they have something in it,
// the account works for its own.
func TestForgedClustersCauseNextToNoCalls(t *testing.T) {
	for name, change := range map[string][]func(*clusterv1.Cluster, *infrav1.OCIMeshCluster){
		"networks": nil, "load balancers": {balanced(infrav1.EndpointLoadBalancer)},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, helpers.WorldOptions{Accounts: 1})
			victim := b.cluster("c1", change...)
			b.until(victim, "Ready True Ready")
			b.r.Clients = access.New(access.Options{Client: b.Client, RequestTimeout: 10 * time.Second})
			b.OCI.ResetCalls()
			const forgers = 10
			for range forgers {
				forger := b.forged(victim)
				b.g.Expect(b.Client.Delete(t.Context(), forger.DeepCopy())).To(Succeed())
				for range 3 {
					_, err := b.reconcile(forger)
					b.g.Expect(err).NotTo(HaveOccurred())
				}
			}
			b.g.Expect(len(b.OCI.Calls())).To(BeNumerically("<", forgers), "%v", b.OCI.CallCounts(""))
		})
	}
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"testing"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// An object of a namespace that neither account nor tailnet allows is nobody they would work for.
func TestT1CausesNoCallsWithoutPermission(t *testing.T) {
	for name, balanced := range map[string]func(*infrav1.OCIMeshCluster){
		"with an address of the tailnet": func(infra *infrav1.OCIMeshCluster) {
			infra.Spec.ControlPlaneEndpoint = infrav1.APIEndpoint{Host: vip, Port: 6443}
		},
		"with a load balancer": func(infra *infrav1.OCIMeshCluster) {
			infra.Spec.EndpointType, infra.Spec.LoadBalancer.Scope = infrav1.EndpointLoadBalancer, infrav1.LoadBalancerPublic
			infra.Spec.ControlPlaneEndpoint = infrav1.APIEndpoint{Host: "192.0.2.1", Port: 6443}
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{})
			victim := b.machine(t, "victim")
			b.untilProvisioned(t, victim)
			f := forger{namespace: b.Environment.Namespace(t, nil)}
			f.cluster = helpers.NewCluster(f.namespace, b.cluster.Name)
			b.Create(t, f.cluster)
			b.Create(t, helpers.NewOCIMeshCluster(f.cluster, b.Tailnet.Name, b.AccountNames(), balanced))
			forged := f.machine(t, b, "forged", func(own *infrav1.OCIMeshMachine) { own.Spec.ProviderID = victim.Spec.ProviderID })
			machine := &clusterv1.Machine{}
			g.Expect(b.Client.Get(t.Context(), client.ObjectKeyFromObject(forged), machine)).To(Succeed())
			helpers.Update(t, b.Environment, machine, helpers.ControlPlane)

			calls := func() int { return len(b.OCI.Calls()) + len(b.Control.Calls()) }
			caused := 0
			reconcile := func() {
				// The account's polls come anyway.
				g.Expect(b.poll(t.Context())).To(Succeed())
				before := calls()
				_, err := b.r.Reconcile(t.Context(), requestOf(forged))
				g.Expect(err).NotTo(HaveOccurred())
				caused += calls() - before
			}
			for range 3 {
				reconcile()
			}
			g.Expect(b.Client.Delete(t.Context(), forged)).To(Succeed())
			eventually(g, func(g Gomega) {
				reconcile()
				g.Expect(apierrors.IsNotFound(b.Client.Get(t.Context(), client.ObjectKeyFromObject(forged), forged))).To(BeTrue())
			})
			g.Expect(caused).To(BeZero())
		})
	}
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// forged is an OCIMeshCluster of a user whose namespace no account and no tailnet allows. It claims
// to be the victim, to have networks in all accounts, and the victim's address.
func (b *bench) forged(victim *infrav1.OCIMeshCluster) *infrav1.OCIMeshCluster {
	b.t.Helper()
	cluster := helpers.NewCluster(env.Namespace(b.t, nil), victim.Name)
	env.Create(b.t, cluster)
	infra := helpers.NewOCIMeshCluster(cluster, b.Tailnet.Name, b.AccountNames(), func(own *infrav1.OCIMeshCluster) {
		own.Annotations = map[string]string{
			infrav1.IdentityAnnotation:        fmt.Sprintf("%s/%s/%s", own.Namespace, own.Name, victim.UID),
			infrav1.NetworkAccountsAnnotation: strings.Join(b.AccountNames(), ","),
		}
		own.Finalizers = []string{infrav1.OCIMeshClusterFinalizer}
		own.Spec.EndpointType, own.Spec.LoadBalancer = victim.Spec.EndpointType, victim.Spec.LoadBalancer
		for i := range own.Spec.Accounts {
			own.Spec.Accounts[i].ControlPlane = victim.Spec.Accounts[i].ControlPlane
		}
		if !own.Spec.EndpointType.HasLoadBalancer() {
			own.Spec.ControlPlaneEndpoint = victim.Spec.ControlPlaneEndpoint
		}
	})
	env.Create(b.t, infra)
	return infra
}

func TestAForgedClusterTakesNeitherNetworkNorBalancerNorAddress(t *testing.T) {
	t.Parallel()
	kinds := map[string][]func(*clusterv1.Cluster, *infrav1.OCIMeshCluster){"an address of the tailnet": nil}
	for _, kind := range balancedTypes {
		kinds[string(kind)] = append(kinds[string(kind)], balanced(kind))
	}
	for name, change := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, helpers.WorldOptions{Accounts: 2})
			victim := b.cluster("c1", change...)
			b.until(victim, "Ready True Ready")
			before := map[string]int{}
			for _, tenancy := range b.Tenancies {
				left, err := b.OCI.Leftovers(tenancy.Name)
				b.g.Expect(err).NotTo(HaveOccurred())
				b.g.Expect(left).NotTo(BeEmpty())
				before[tenancy.Name] = len(left)
			}
			forger := b.forged(victim)
			for range 3 {
				_, err := b.reconcile(forger)
				b.g.Expect(err).NotTo(HaveOccurred())
			}
			b.g.Expect(helpers.ConditionsOf(forger)).To(ContainElement("AccountsReady False NamespaceNotAllowed"))
			b.deleted(forger)

			for _, tenancy := range b.Tenancies {
				left, err := b.OCI.Leftovers(tenancy.Name)
				b.g.Expect(err).NotTo(HaveOccurred())
				b.g.Expect(left).To(HaveLen(before[tenancy.Name]), "of %s", tenancy.Name)
			}
			env.Reload(t, b.Tailnet)
			if len(change) == 0 {
				b.g.Expect(b.Tailnet.Status.VIPAllocations).To(HaveLen(1))
				b.g.Expect(b.Tailnet.Status.VIPAllocations[0].Namespace).To(Equal(victim.Namespace))
			}
			b.restart()
			b.until(victim, "Ready True Ready")
			b.deleted(victim)
			b.ExpectNothingLeft(t)
		})
	}
}

func TestT1IsNotToldWhoElseUsesADeletedAccount(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 2})
	account := b.Accounts[1]
	helpers.Update(t, env, account, func(a *infrav1.OCIAccount) { a.Finalizers = []string{infrav1.OCIAccountFinalizer} })
	b.g.Expect(env.Client.Delete(t.Context(), account.DeepCopy())).To(Succeed())
	b.Reload(t, account)
	b.SetReady(t, account, metav1.ConditionFalse, infrav1.InUseReason, "The account is still used by OCIMeshClusters other/confidential: delete them")

	infra := b.cluster("c1")
	b.until(infra, "AccountsReady False AccountNotReady")

	b.g.Expect(helpers.MessageOf(infra, infrav1.AccountsReadyCondition)).To(And(ContainSubstring("is being deleted"), Not(ContainSubstring("confidential"))))
	b.g.Expect(infra.Status.Accounts[1].Message).NotTo(ContainSubstring("confidential"))
	helpers.Update(t, env, account, func(a *infrav1.OCIAccount) { a.Finalizers = nil })
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

func TestAnAccountThatLeavesTheSpecLosesItsNetworkAfterItsMachines(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 2})
	infra := b.cluster("c1")
	b.until(infra, "Ready True Ready")
	machine := b.machineIn(infra, "m1", b.Accounts[1].Name)

	helpers.Update(t, env, infra, func(c *infrav1.OCIMeshCluster) { c.Spec.Accounts = c.Spec.Accounts[:1] })
	_, err := b.reconcile(infra)
	b.g.Expect(err).NotTo(HaveOccurred())

	b.g.Expect(infra.Status.FailureDomains).To(HaveLen(1))
	b.g.Expect(infra.Status.Accounts[1].Reason).To(Equal(infrav1.NetworkInUseReason))
	b.g.Expect(infra.Status.Accounts[1].Ready).To(HaveValue(BeFalse()))
	b.g.Expect(b.count("DeleteSubnet")).To(BeZero())

	b.g.Expect(env.Client.Delete(t.Context(), machine)).To(Succeed())
	b.g.Eventually(func() []infrav1.ClusterAccountStatus {
		b.until(infra, "Ready True Ready")
		return infra.Status.Accounts
	},
		timeout, "5ms").Should(HaveLen(1))

	left, err := b.OCI.Leftovers(b.Tenancies[1].Name)
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(left).To(BeEmpty())
	b.g.Expect(infra.Annotations[infrav1.NetworkAccountsAnnotation]).To(Equal(b.Accounts[0].Name))
}

func TestAnAccountThatLeavesTheSpecKeepsItsNetworkForMachinePools(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 2})
	infra := b.cluster("c1")
	b.until(infra, "Ready True Ready")
	// They are of size 0, and need their subnet all the same.
	pool := b.poolIn(infra, "pool", b.Accounts[1].Name)
	b.poolIn(infra, "elsewhere", b.Accounts[0].Name)
	b.poolIn(&infrav1.OCIMeshCluster{ObjectMeta: metav1.ObjectMeta{Namespace: infra.Namespace, Name: "c2"}}, "of-another", b.Accounts[1].Name)

	helpers.Update(t, env, infra, func(c *infrav1.OCIMeshCluster) { c.Spec.Accounts = c.Spec.Accounts[:1] })
	_, err := b.reconcile(infra)
	b.g.Expect(err).NotTo(HaveOccurred())

	b.g.Expect(infra.Status.Accounts[1].Reason).To(Equal(infrav1.NetworkInUseReason))
	b.g.Expect(infra.Status.Accounts[1].Message).To(ContainSubstring("the cluster has OCIMeshMachinePools " + infra.Namespace + "/pool in it"))
	b.g.Expect(b.count("DeleteSubnet")).To(BeZero())

	b.g.Expect(env.Client.Delete(t.Context(), pool)).To(Succeed())
	b.g.Eventually(func() []infrav1.ClusterAccountStatus {
		b.until(infra, "Ready True Ready")
		return infra.Status.Accounts
	}, timeout, "5ms").Should(HaveLen(1))
	left, err := b.OCI.Leftovers(b.Tenancies[1].Name)
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(left).To(BeEmpty())
}

func TestAnAccountThatReturnsWhileItsNetworkGoesGetsAWholeOneAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 2})
	infra := b.cluster("c1")
	b.until(infra, "Ready True Ready")
	accounts, first := infra.Spec.Accounts, infra.Status.Accounts[1].SubnetID
	b.OCI.AddFault(sim.Fault{Operation: "DeleteVcn", Status: 409, Code: "Conflict", Message: "Not yet.", Times: -1})
	helpers.Update(t, env, infra, func(c *infrav1.OCIMeshCluster) { c.Spec.Accounts = accounts[:1] })
	b.g.Eventually(func() string {
		b.until(infra, "Ready True Ready")
		return infra.Status.Accounts[1].Reason
	}, timeout, "5ms").Should(Equal(infrav1.NetworkInUseReason), "all but the VCN is gone")

	helpers.Update(t, env, infra, func(c *infrav1.OCIMeshCluster) { c.Spec.Accounts = accounts })
	b.until(infra, "AccountsReady True Ready")

	b.g.Expect(infra.Status.Accounts[1].SubnetID).NotTo(Equal(first))
	left, err := b.OCI.Leftovers(b.Tenancies[1].Name)
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(left).To(HaveLen(5), "VCN, gateway, route table, group, subnet: %v", left)
	b.g.Expect(left).To(ContainElement(HaveField("ID", infra.Status.Accounts[1].SubnetID)))
	b.OCI.ClearFaults()
	b.deleted(infra)
	b.ExpectNothingLeft(t)
}

// poolIn creates a machine pool of the cluster in the account.
func (b *bench) poolIn(infra *infrav1.OCIMeshCluster, name, account string) client.Object {
	b.t.Helper()
	pool := helpers.NewOCIMeshMachinePool(infra.Namespace, name, account, name)
	pool.Labels = map[string]string{clusterv1.ClusterNameLabel: infra.Name}
	b.Create(b.t, pool)
	return pool
}

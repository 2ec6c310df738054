// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"net/netip"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
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

// An earlier version let two accounts of a compartment have one network.
func TestOfTwoAccountsThatShareANetworkTheOneThatLeavesLeavesItToTheOther(t *testing.T) {
	t.Parallel()
	for leaving, name := range []string{"the first leaves", "the second leaves"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, helpers.WorldOptions{Accounts: 1})
			infra := b.cluster("c1")
			b.until(infra, "Ready True Ready")
			twin, vcn := b.twin(), infra.Status.Accounts[0].VCNID
			helpers.Update(t, env, infra, func(c *infrav1.OCIMeshCluster) {
				c.Spec.Accounts = append(c.Spec.Accounts, inPlaceOf(c.Spec.Accounts[0], twin))
				c.Annotations[infrav1.NetworkAccountsAnnotation] = b.Accounts[0].Name + "," + twin.Name
			})
			b.until(infra, "AccountsReady False AccountNotReady")
			b.g.Expect(infra.Status.UsableAccounts).To(Equal("1/2"))
			machine := b.machineIn(infra, "m1", infra.Spec.Accounts[leaving].Name)

			helpers.Update(t, env, infra, func(c *infrav1.OCIMeshCluster) { c.Spec.Accounts = slices.Delete(c.Spec.Accounts, leaving, leaving+1) })
			b.until(infra, "AccountsReady True Ready")
			b.g.Expect(infra.Status.Accounts).To(HaveLen(2), "the machine looks its subnet up")
			b.g.Expect(infra.Status.Accounts[1].Reason).To(Equal(infrav1.NetworkInUseReason))
			b.g.Expect(env.Client.Delete(t.Context(), machine)).To(Succeed())
			b.g.Eventually(func() []infrav1.ClusterAccountStatus {
				b.until(infra, "Ready True Ready")
				b.g.Expect(infra.Status.UsableAccounts).To(Equal("1/1"))
				return infra.Status.Accounts
			}, timeout, "5ms").Should(HaveExactElements(
				And(HaveField("Name", infra.Spec.Accounts[0].Name), HaveField("VCNID", vcn), HaveField("Ready", HaveValue(BeTrue())))))

			b.g.Expect(infra.Annotations).To(HaveKeyWithValue(infrav1.NetworkAccountsAnnotation, infra.Spec.Accounts[0].Name))
			b.g.Expect(b.count("DeleteSubnet")).To(BeZero())
			b.deleted(infra)
			b.ExpectNothingLeft(t)
		})
	}
}

// returns are the networks that an account with a NAT gateway comes back with.
var returns = map[string]struct {
	network func(*bench) infrav1.AccountNetwork
	reason  string
}{
	"with another gateway": {
		func(*bench) infrav1.AccountNetwork {
			return infrav1.AccountNetwork{Managed: &infrav1.ManagedNetwork{Gateway: infrav1.GatewayInternet}}
		}, infrav1.NetworkFailedReason,
	},
	"with another range": {
		func(*bench) infrav1.AccountNetwork {
			return infrav1.AccountNetwork{Managed: &infrav1.ManagedNetwork{
				Gateway: infrav1.GatewayNAT, VCNCIDR: "10.1.0.0/16", SubnetCIDR: "10.1.0.0/20",
			}}
		}, infrav1.NetworkFailedReason,
	},
	"with another subnet": {
		func(*bench) infrav1.AccountNetwork {
			return infrav1.AccountNetwork{Managed: &infrav1.ManagedNetwork{Gateway: infrav1.GatewayNAT, SubnetCIDR: "10.0.16.0/20"}}
		}, infrav1.NetworkFailedReason,
	},
	"with a network of the user's": {
		func(b *bench) infrav1.AccountNetwork {
			return infrav1.AccountNetwork{Existing: infrav1.ExistingNetwork{SubnetID: b.subnetOfTheUsers()}}
		}, infrav1.NetworkInUseReason,
	},
}

// subnetOfTheUsers makes a subnet in the second account.
func (b *bench) subnetOfTheUsers() string {
	b.t.Helper()
	c, err := b.Clients.OCI(b.t.Context(), b.Accounts[1])
	b.g.Expect(err).NotTo(HaveOccurred())
	cidr := netip.MustParsePrefix("10.9.0.0/24")
	vcn, err := c.CreateVCN(b.t.Context(), oci.VCNSpec{CIDRs: []netip.Prefix{cidr}})
	b.g.Expect(err).NotTo(HaveOccurred())
	var subnet oci.Subnet
	b.g.Eventually(func() (err error) {
		subnet, err = c.CreateSubnet(b.t.Context(), oci.SubnetSpec{VCNID: vcn.ID, CIDR: cidr})
		return err
	}, timeout, "1ms").Should(Succeed())
	return subnet.ID
}

// Rules that compare a spec with the one before say nothing of an account that was away meanwhile.
func TestAnAccountThatReturnsOtherwiseWaitsForTheEndOfItsOldNetwork(t *testing.T) {
	t.Parallel()
	for name, world := range returns {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, helpers.WorldOptions{Accounts: 2})
			infra := b.cluster("c1", func(_ *clusterv1.Cluster, infra *infrav1.OCIMeshCluster) {
				if len(infra.Spec.Accounts) > 0 {
					infra.Spec.Accounts[1].Network.Managed = &infrav1.ManagedNetwork{Gateway: infrav1.GatewayNAT}
				}
			})
			b.until(infra, "Ready True Ready")
			before := infra.Status.Accounts[1]
			tables := b.routeTables(before.VCNID)
			machine := b.machineIn(infra, "m1", b.Accounts[1].Name)
			returned := *infra.Spec.Accounts[1].DeepCopy()
			returned.Network = world.network(b)
			spec := func(accounts ...infrav1.ClusterAccount) {
				helpers.Update(t, env, infra, func(c *infrav1.OCIMeshCluster) { c.Spec.Accounts = append(c.Spec.Accounts[:1:1], accounts...) })
			}
			row := func(condition string) func() infrav1.ClusterAccountStatus {
				return func() infrav1.ClusterAccountStatus {
					b.until(infra, condition)
					return infra.Status.Accounts[1]
				}
			}

			spec()
			_, err := b.reconcile(infra)
			b.g.Expect(err).NotTo(HaveOccurred())
			spec(returned)

			b.g.Eventually(row("Ready True Ready"), timeout, "5ms").Should(And(
				HaveField("Reason", world.reason), HaveField("Message", ContainSubstring("the account still has the network of before")),
				HaveField("Ready", HaveValue(BeFalse())), HaveField("VCNID", before.VCNID)))
			b.g.Expect(b.routeTables(before.VCNID)).To(Equal(tables))
			b.g.Expect(b.count("CreateInternetGateway")).To(Equal(1), "the other account's")

			b.g.Expect(env.Client.Delete(t.Context(), machine)).To(Succeed())
			if returned.Network.Managed != nil {
				spec()
				b.g.Eventually(func() []infrav1.ClusterAccountStatus {
					b.until(infra, "Ready True Ready")
					return infra.Status.Accounts
				}, timeout, "5ms").Should(HaveLen(1))
				spec(returned)
			}
			b.g.Eventually(row("Ready True Ready"), timeout, "5ms").Should(And(
				HaveField("Ready", HaveValue(BeTrue())), HaveField("Reason", BeEmpty()),
				HaveField("VCNID", Not(Equal(before.VCNID))), HaveField("SubnetID", Not(Equal(before.SubnetID)))))
			b.deleted(infra)
			left, err := b.OCI.Leftovers(b.Tenancies[1].Name)
			b.g.Expect(err).NotTo(HaveOccurred())
			b.g.Expect(left).NotTo(ContainElement(HaveField("ID", before.VCNID)))
			b.g.Expect(left).To(HaveLen(map[bool]int{true: 0, false: 2}[returned.Network.Managed != nil]), "what the user made")
		})
	}
}

// routeTables are those of a VCN of the second account.
func (b *bench) routeTables(vcn string) []oci.RouteTable {
	b.t.Helper()
	c, err := b.Clients.OCI(b.t.Context(), b.Accounts[1])
	b.g.Expect(err).NotTo(HaveOccurred())
	tables, err := c.ListRouteTables(b.t.Context(), oci.ListFilter{VCNID: vcn})
	b.g.Expect(err).NotTo(HaveOccurred())
	return tables
}

// poolIn creates a machine pool of the cluster in the account.
func (b *bench) poolIn(infra *infrav1.OCIMeshCluster, name, account string) client.Object {
	b.t.Helper()
	pool := helpers.NewOCIMeshMachinePool(infra.Namespace, name, account, name)
	pool.Labels = map[string]string{clusterv1.ClusterNameLabel: infra.Name}
	b.Create(b.t, pool)
	return pool
}

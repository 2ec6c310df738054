// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

func TestANetworkOfTheUsersIsUsedAndNeitherChangedNorDeleted(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	theirs := b.cluster("theirs")
	b.until(theirs, "Ready True Ready")
	subnet := theirs.Status.Accounts[0].SubnetID
	b.OCI.ResetCalls()
	ours := b.cluster("ours", func(_ *clusterv1.Cluster, infra *infrav1.OCIMeshCluster) {
		if len(infra.Spec.Accounts) > 0 {
			infra.Spec.Accounts[0].Network.Existing = infrav1.ExistingNetwork{SubnetID: subnet}
		}
	})

	b.until(ours, "Ready True Ready")

	b.g.Expect(ours.Status.Accounts[0].SubnetID).To(Equal(subnet))
	b.g.Expect(ours.Annotations).NotTo(HaveKey(infrav1.NetworkAccountsAnnotation))
	b.deleted(ours)
	for _, call := range b.OCI.Calls() {
		b.g.Expect(call.Method).To(Equal("GET"), call.Operation)
	}
}

func TestAnExistingSubnetThatIsMissingIsNamed(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	infra := b.cluster("c1", func(_ *clusterv1.Cluster, infra *infrav1.OCIMeshCluster) {
		if len(infra.Spec.Accounts) > 0 {
			infra.Spec.Accounts[0].Network.Existing = infrav1.ExistingNetwork{SubnetID: "ocid1.subnet.oc1..nothing"}
		}
	})

	b.until(infra, "NetworkReady False NotAuthorizedOrNotFound")

	b.g.Expect(helpers.MessageOf(infra, infrav1.NetworkReadyCondition)).To(ContainSubstring("subnetID"))
	b.g.Expect(infra.Status.Initialization.Provisioned).To(BeNil())
}

func TestACompleteNetworkIsComparedWithOCIOnceInAWhile(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	b.r.Options.NetworkInterval = time.Millisecond
	infra := b.cluster("c1")
	b.until(infra, "Ready True Ready")
	b.OCI.ResetCalls()

	b.g.Eventually(func() int { b.until(infra, "Ready True Ready"); return b.count("ListSubnets") }, timeout).Should(BeNumerically(">", 0))
}

func TestAChangeOfTheSpecIsNotHeldUpByWhatWasSeen(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	infra := b.cluster("c1")
	b.until(infra, "Ready True Ready")
	b.OCI.ResetCalls()
	helpers.Update(t, env, infra, func(c *infrav1.OCIMeshCluster) {
		c.Spec.Accounts[0].Network.Managed.SSHFrom = []string{"192.0.2.0/24"}
	})

	b.until(infra, "Ready True Ready")

	b.g.Expect(b.count("AddNetworkSecurityGroupSecurityRules")).To(Equal(1))
}

func TestAMovedClusterKeepsItsNetworks(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 2})
	infra := b.cluster("c1")
	b.until(infra, "Ready True Ready")
	vcn := infra.Status.Accounts[0].VCNID

	// clusterctl move makes the object anew, without status and with another UID.
	moved := infra.DeepCopy()
	moved.ObjectMeta = metav1.ObjectMeta{
		Namespace: infra.Namespace, Name: infra.Name, Labels: infra.Labels, Annotations: infra.Annotations,
		OwnerReferences: infra.OwnerReferences, Finalizers: infra.Finalizers,
	}
	moved.Status = infrav1.OCIMeshClusterStatus{}
	helpers.Update(t, b.Environment, infra, func(infra *infrav1.OCIMeshCluster) { infra.Finalizers = nil })
	b.g.Expect(env.Client.Delete(t.Context(), infra)).To(Succeed())
	env.Create(t, moved)
	b.restart()
	b.until(moved, "Ready True Ready")

	b.g.Expect(moved.UID).NotTo(Equal(infra.UID))
	b.g.Expect(moved.Status.Accounts[0].VCNID).To(Equal(vcn))
	b.g.Expect(b.count("CreateVcn")).To(Equal(2), "one for each account")
	b.deleted(moved)
	b.ExpectNothingLeft(t)
}

func TestALostAnswerMakesNothingTwice(t *testing.T) {
	t.Parallel()
	for _, operation := range []string{
		"CreateVcn", "CreateInternetGateway", "CreateRouteTable", "CreateNetworkSecurityGroup",
		"AddNetworkSecurityGroupSecurityRules", "CreateSubnet", "UpdateSecurityList",
	} {
		t.Run(operation, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, helpers.WorldOptions{Accounts: 1})
			infra := b.cluster("c1")
			b.OCI.AddFault(sim.Fault{Operation: operation, AfterCommit: true, Reset: true})

			b.g.Eventually(func() bool {
				// A process that dies at the lost answer knows nothing afterwards.
				b.restart()
				_, err := b.reconcile(infra)
				b.g.Expect(err).NotTo(HaveOccurred())
				return slices.Contains(helpers.ConditionsOf(infra), "Ready True Ready")
			}, timeout, "5ms").Should(BeTrue())

			left, err := b.OCI.Leftovers(b.Tenancies[0].Name)
			b.g.Expect(err).NotTo(HaveOccurred())
			b.g.Expect(left).To(HaveLen(5), "VCN, gateway, route table, group, subnet: %v", left)
			b.deleted(infra)
			b.ExpectNothingLeft(t)
		})
	}
}

func TestNetworksAndLoadBalancersThatComeAndGoAreLogged(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	var lines []string
	b.log = funcr.New(func(_, line string) { lines = append(lines, line) }, funcr.Options{})
	infra := b.cluster("c1", balanced(infrav1.EndpointNetworkLoadBalancer))

	b.until(infra, "Ready True Ready")
	b.deleted(infra)

	for _, message := range []string{
		"Creating the network", "The network is ready", "Creating the load balancer", "The load balancer is active",
		"Deleted the load balancer", "Deleted the network",
	} {
		told := slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return !strings.Contains(line, `"`+message+`"`) })
		b.g.Expect(told).To(HaveLen(1), message)
		b.g.Expect(told[0]).To(And(ContainSubstring(`"OCIAccount"=`), ContainSubstring(b.Accounts[0].Name)))
	}
}

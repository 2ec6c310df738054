// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"os"
	"regexp"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

func TestThePackageCommentListsThePhases(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	r := &Reconciler{}
	var names []string
	for _, phase := range slices.Concat(r.normalPhases(), r.deletePhases()) {
		names = append(names, phase.Name)
	}
	source, err := os.ReadFile("controller.go")
	g.Expect(err).NotTo(HaveOccurred())
	var listed []string
	for _, line := range regexp.MustCompile(`(?m)^//\t(.+?) {2,}`).FindAllStringSubmatch(string(source), -1) {
		listed = append(listed, line[1])
	}
	g.Expect(listed).To(Equal(names))
}

func TestAClusterOverThreeAccountsComesAndGoes(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{})
	infra := b.cluster("c1", func(_ *clusterv1.Cluster, infra *infrav1.OCIMeshCluster) {
		if len(infra.Spec.Accounts) > 0 {
			infra.Spec.Accounts[2].ControlPlane = ptr.To(false)
		}
	})

	b.until(infra, "Ready True Ready")

	helpers.ExpectConditions(t, infra, "Ready True Ready", "AccountsReady True Ready", "NetworkReady True Ready",
		"TailnetReady True Ready", "RangesDistinct True Ready", "EndpointReady True Ready", "Deleting False NotDeleting", "Paused False NotPaused")
	b.g.Expect(infra.Spec.ControlPlaneEndpoint).To(Equal(infrav1.APIEndpoint{Host: "10.250.0.1", Port: 6443}))
	b.g.Expect(infra.Status.Initialization.Provisioned).To(HaveValue(BeTrue()))
	b.g.Expect(infra.Status.Accounts).To(HaveLen(3))
	for _, account := range infra.Status.Accounts {
		b.g.Expect(account.Ready).To(HaveValue(BeTrue()))
		b.g.Expect(account.PublicIP).To(HaveValue(BeTrue()))
		b.g.Expect(account.SubnetID).To(HavePrefix("ocid1.subnet."))
		b.g.Expect(account.NetworkSecurityGroupIDs).To(HaveLen(1))
	}
	var domains []string
	for i, domain := range infra.Status.FailureDomains {
		domains = append(domains, domain.Name)
		b.g.Expect(domain.ControlPlane).To(HaveValue(Equal(i != 2)))
		b.g.Expect(domain.Attributes).To(Equal(map[string]string{
			"account": b.Accounts[i].Name, "region": helpers.Region,
			"availabilityDomain": b.Tenancies[i].AvailabilityDomains()[0],
		}))
	}
	b.g.Expect(domains).To(Equal([]string{b.Accounts[0].Name + "-ad-1", b.Accounts[1].Name + "-ad-1", b.Accounts[2].Name + "-ad-1"}))

	b.deleted(infra)

	b.ExpectNothingLeft(t)
	b.Reload(t, b.Tailnet)
	b.g.Expect(b.Tailnet.Status.VIPAllocations).To(BeEmpty())
}

// Cluster API's builder lets a second go by between two passes.
func TestANetworkIsBegunInTheFirstPass(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	infra := b.cluster("c1")

	_, err := b.reconcile(infra)

	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(b.count("CreateSubnet")).To(Equal(1))
	b.g.Expect(infra.Finalizers).To(ContainElement(infrav1.OCIMeshClusterFinalizer))
	b.g.Expect(helpers.ConditionsOf(infra)).To(ContainElement("Paused False NotPaused"))
}

func TestAClusterThatNobodyOwnsOrThatIsPausedOrForeignIsLeftAlone(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*clusterv1.Cluster, *infrav1.OCIMeshCluster){
		"not owned": func(_ *clusterv1.Cluster, infra *infrav1.OCIMeshCluster) { infra.OwnerReferences = nil },
		"paused":    func(cluster *clusterv1.Cluster, _ *infrav1.OCIMeshCluster) { cluster.Spec.Paused = ptr.To(true) },
		"externally managed": func(_ *clusterv1.Cluster, infra *infrav1.OCIMeshCluster) {
			infra.Annotations = map[string]string{clusterv1.ManagedByAnnotation: "terraform"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, helpers.WorldOptions{Accounts: 1})
			infra := b.cluster("c1", change)

			for range 3 {
				_, err := b.reconcile(infra)
				b.g.Expect(err).NotTo(HaveOccurred())
			}

			b.g.Expect(infra.Finalizers).To(BeEmpty())
			b.g.Expect(b.OCI.Calls()).To(BeEmpty())
		})
	}
}

func TestAClusterAtRestMakesNoCalls(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{})
	infra := b.cluster("c1")
	b.until(infra, "Ready True Ready")
	b.OCI.ResetCalls()
	before := infra.ResourceVersion

	for range 3 {
		_, err := b.reconcile(infra)
		b.g.Expect(err).NotTo(HaveOccurred())
	}

	b.g.Expect(b.OCI.Calls()).To(BeEmpty())
	b.g.Expect(infra.ResourceVersion).To(Equal(before), "nor writes")
}

func TestTwoClustersOfOneNameInTwoNamespacesDoNotMeet(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	other := env.Namespace(t, nil)
	helpers.Update(t, env, b.Accounts[0], func(a *infrav1.OCIAccount) {
		a.Spec.AllowedNamespaces.List = append(a.Spec.AllowedNamespaces.List, other)
	})
	helpers.Update(t, env, b.Tailnet, func(n *infrav1.Tailnet) {
		n.Spec.AllowedNamespaces.List = append(n.Spec.AllowedNamespaces.List, other)
	})
	first := b.cluster("same")
	twin := helpers.NewCluster(other, "same")
	env.Create(t, twin)
	second := helpers.NewOCIMeshCluster(twin, b.Tailnet.Name, b.AccountNames())
	env.Create(t, second)

	b.until(first, "Ready True Ready")
	b.until(second, "Ready True Ready")

	b.g.Expect(second.Status.Accounts[0].VCNID).NotTo(Equal(first.Status.Accounts[0].VCNID))
	b.g.Expect(second.Spec.ControlPlaneEndpoint.Host).NotTo(Equal(first.Spec.ControlPlaneEndpoint.Host))

	b.deleted(second)
	b.restart()
	_, err := b.reconcile(first)
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(first.Status.Accounts[0].VCNID).NotTo(BeEmpty())
	b.until(first, "Ready True Ready")
	b.g.Expect(b.count("CreateVcn")).To(Equal(2), "the first one's network is untouched")
	b.deleted(first)
	b.ExpectNothingLeft(t)
}

func TestStatusThatWasLostIsFoundAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{})
	infra := b.cluster("c1")
	b.until(infra, "Ready True Ready")
	before := infra.DeepCopy()

	infra.Status = infrav1.OCIMeshClusterStatus{Initialization: infrav1.OCIMeshClusterInitializationStatus{Provisioned: ptr.To(false)}}
	b.g.Expect(env.Client.Status().Update(t.Context(), infra)).To(Succeed())
	b.restart()
	b.until(infra, "Ready True Ready")

	for i := range before.Status.Accounts {
		// Since when an account has been as it is now is not found again.
		infra.Status.Accounts[i].Conditions, before.Status.Accounts[i].Conditions = nil, nil
	}
	b.g.Expect(infra.Status.Accounts).To(Equal(before.Status.Accounts))
	b.g.Expect(infra.Status.FailureDomains).To(Equal(before.Status.FailureDomains))
	b.g.Expect(infra.Spec.ControlPlaneEndpoint).To(Equal(before.Spec.ControlPlaneEndpoint))
	b.g.Expect(b.count("CreateVcn")).To(Equal(3))
}

func TestAClusterOfAnotherManagerIsLeftAlone(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	b.r.Options.WatchFilterValue = "mine"
	infra := b.cluster("c1")

	result, err := b.reconcile(infra)

	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(result).To(Equal(ctrl.Result{}))
	b.g.Expect(infra.Finalizers).To(BeEmpty())
}

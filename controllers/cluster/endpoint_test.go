// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/helpers"
)

type change = func(*clusterv1.Cluster, *infrav1.OCIMeshCluster)

func TestEndpoints(t *testing.T) {
	for name, world := range map[string]struct {
		change change
		host   string
		port   int32
	}{
		"from the tailnet's range": {func(*clusterv1.Cluster, *infrav1.OCIMeshCluster) {}, "10.250.0.1", 6443},
		"with the Cluster's port": {
			func(cluster *clusterv1.Cluster, _ *infrav1.OCIMeshCluster) {
				cluster.Spec.ClusterNetwork.APIServerPort = 443
			},
			"10.250.0.1", 443,
		},
		"given by the user, of the range": {
			func(_ *clusterv1.Cluster, infra *infrav1.OCIMeshCluster) {
				infra.Spec.ControlPlaneEndpoint.Host = "10.250.0.9"
			},
			"10.250.0.9", 6443,
		},
		"external, given here": {
			func(_ *clusterv1.Cluster, infra *infrav1.OCIMeshCluster) {
				infra.Spec.EndpointType, infra.Spec.ControlPlaneEndpoint.Host = infrav1.EndpointExternal, "api.example.com"
			},
			"api.example.com", 6443,
		},
		"external, given in the Cluster": {
			func(cluster *clusterv1.Cluster, infra *infrav1.OCIMeshCluster) {
				infra.Spec.EndpointType = infrav1.EndpointExternal
				cluster.Spec.ControlPlaneEndpoint = clusterv1.APIEndpoint{Host: "api.example.com", Port: 8443}
			},
			"api.example.com", 8443,
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, helpers.WorldOptions{Accounts: 1})
			infra := b.cluster("c1", world.change)

			b.until(infra, "Ready True Ready")

			b.g.Expect(infra.Spec.ControlPlaneEndpoint).To(Equal(infrav1.APIEndpoint{Host: world.host, Port: world.port}))
			b.g.Expect(infra.Status.Initialization.Provisioned).To(HaveValue(BeTrue()))
		})
	}
}

func TestEndpointsThatCannotBeHad(t *testing.T) {
	for name, world := range map[string]struct {
		change  change
		options helpers.WorldOptions
		reason  string
		message string
	}{
		"external and not given": {
			change: func(_ *clusterv1.Cluster, infra *infrav1.OCIMeshCluster) {
				infra.Spec.EndpointType = infrav1.EndpointExternal
			},
			reason: infrav1.EndpointMissingReason, message: "spec.controlPlaneEndpoint",
		},
		"range overlaps pods": {
			change: func(cluster *clusterv1.Cluster, _ *infrav1.OCIMeshCluster) {
				cluster.Spec.ClusterNetwork.Pods.CIDRBlocks = []string{"10.250.0.0/16"}
			},
			reason: infrav1.VIPRangeOverlapReason, message: "the pod range 10.250.0.0/16: change one of them",
		},
		"range overlaps services": {
			change: func(cluster *clusterv1.Cluster, _ *infrav1.OCIMeshCluster) {
				cluster.Spec.ClusterNetwork.Services.CIDRBlocks = []string{"10.250.0.128/25"}
			},
			reason: infrav1.VIPRangeOverlapReason, message: "the service range",
		},
		"range overlaps a VCN": {
			change:  func(*clusterv1.Cluster, *infrav1.OCIMeshCluster) {},
			options: helpers.WorldOptions{VIPRange: "10.0.240.0/24"},
			reason:  infrav1.VIPRangeOverlapReason, message: "the VCN range of account",
		},
	} {
		t.Run(name, func(t *testing.T) {
			world.options.Accounts = 1
			b := newBench(t, world.options)
			infra := b.cluster("c1", world.change)

			b.until(infra, "EndpointReady False "+world.reason)

			b.g.Expect(helpers.MessageOf(infra, infrav1.EndpointReadyCondition)).To(ContainSubstring(world.message))
			b.g.Expect(infra.Spec.ControlPlaneEndpoint.Host).To(BeEmpty())
			b.g.Expect(infra.Status.Initialization.Provisioned).To(BeNil())
			b.Reload(t, b.Tailnet)
			b.g.Expect(b.Tailnet.Status.VIPAllocations).To(BeEmpty(), "no address is taken in vain")
		})
	}
}

func TestAFullRangeHealsWhenAClusterGoes(t *testing.T) {
	b := newBench(t, helpers.WorldOptions{Accounts: 1, VIPRange: "10.250.0.0/30"})
	first, second, third := b.cluster("c1"), b.cluster("c2"), b.cluster("c3")
	b.until(first, "EndpointReady True Ready")
	b.until(second, "EndpointReady True Ready")
	b.until(third, "EndpointReady False VIPRangeExhausted")

	b.deleted(first)

	b.until(third, "Ready True Ready")
	b.g.Expect(third.Spec.ControlPlaneEndpoint.Host).To(Equal("10.250.0.1"))
}

func TestAnAddressOutsideTheRangeIsRefused(t *testing.T) {
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	infra := b.cluster("c1", func(_ *clusterv1.Cluster, infra *infrav1.OCIMeshCluster) {
		infra.Spec.ControlPlaneEndpoint.Host = "10.9.9.9"
	})

	b.until(infra, "EndpointReady False EndpointOutOfRange")

	b.g.Expect(helpers.MessageOf(infra, infrav1.EndpointReadyCondition)).To(ContainSubstring("10.9.9.9 is not in the vipRange"))
	b.g.Expect(infra.Status.Initialization.Provisioned).To(BeNil())
	b.deleted(infra)
}

func TestAnAddressOfAnotherClusterIsRefused(t *testing.T) {
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	first := b.cluster("c1")
	b.until(first, "Ready True Ready")
	thief := b.cluster("c2", func(_ *clusterv1.Cluster, infra *infrav1.OCIMeshCluster) {
		infra.Spec.ControlPlaneEndpoint.Host = first.Spec.ControlPlaneEndpoint.Host
	})

	b.until(thief, "EndpointReady False EndpointInUse")

	b.g.Expect(helpers.MessageOf(thief, infrav1.EndpointReadyCondition)).To(ContainSubstring(b.Namespace + "/c1"))
	b.g.Expect(thief.Status.Initialization.Provisioned).To(BeNil())
}

func TestTailnetsThatCannotBeUsed(t *testing.T) {
	for name, world := range map[string]struct {
		spoil    func(*bench)
		mend     func(*bench)
		tailnet  string
		endpoint string
	}{
		"missing": {
			spoil: func(b *bench) { b.g.Expect(env.Client.Delete(b.t.Context(), b.Tailnet.DeepCopy())).To(Succeed()) },
			mend: func(b *bench) {
				b.Tailnet.ResourceVersion, b.Tailnet.UID = "", ""
				env.Create(b.t, b.Tailnet)
				b.MakeReady(b.t)
			},
			tailnet: infrav1.TailnetNotFoundReason, endpoint: "EndpointReady False Waiting",
		},
		"not for this namespace": {
			spoil: func(b *bench) {
				helpers.Update(b.t, env, b.Tailnet, func(n *infrav1.Tailnet) { n.Spec.AllowedNamespaces.List = []string{"else"} })
			},
			mend: func(b *bench) {
				helpers.Update(b.t, env, b.Tailnet, func(n *infrav1.Tailnet) { n.Spec.AllowedNamespaces.List = []string{b.Namespace} })
			},
			tailnet: infrav1.NamespaceNotAllowedReason, endpoint: "EndpointReady False Waiting",
		},
		"not Ready": {
			spoil: func(b *bench) {
				b.Reload(b.t, b.Tailnet)
				b.SetReady(b.t, b.Tailnet, metav1.ConditionFalse, "ScopeMissing", "grant it")
			},
			mend:    func(b *bench) { b.MakeReady(b.t) },
			tailnet: infrav1.TailnetNotReadyReason, endpoint: "EndpointReady True Ready",
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, helpers.WorldOptions{Accounts: 1})
			world.spoil(b)
			infra := b.cluster("c1")

			b.until(infra, "NetworkReady True Ready")

			b.g.Expect(helpers.ConditionsOf(infra)).To(ContainElements("TailnetReady False "+world.tailnet, world.endpoint))
			b.g.Expect(infra.Status.Initialization.Provisioned).To(BeNil())

			world.mend(b)
			b.until(infra, "Ready True Ready")
			b.g.Expect(infra.Status.Initialization.Provisioned).To(HaveValue(BeTrue()))
		})
	}
}

func TestACrashBetweenTheAddressAndTheSpecKeepsTheAddress(t *testing.T) {
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	crashed, other := b.cluster("c1"), b.cluster("c2")
	address, err := b.r.ledger().Allocate(t.Context(), b.Tailnet.Name, crashed)
	b.g.Expect(err).NotTo(HaveOccurred())

	b.until(other, "Ready True Ready")
	b.until(crashed, "Ready True Ready")

	b.g.Expect(crashed.Spec.ControlPlaneEndpoint.Host).To(Equal(address))
	b.g.Expect(other.Spec.ControlPlaneEndpoint.Host).NotTo(Equal(address))
}

func TestTwoManagersNeverGiveOneAddressTwice(t *testing.T) {
	const clusters = 8
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	var all []*infrav1.OCIMeshCluster
	for i := range clusters {
		all = append(all, b.cluster(fmt.Sprintf("c%d", i)))
	}
	for range 2 {
		env.Manager(t, func(ctx context.Context, mgr manager.Manager) error {
			r := &Reconciler{
				Client: mgr.GetClient(), Reader: mgr.GetAPIReader(),
				Clients: access.New(access.Options{Client: mgr.GetClient(), SecretMetadata: mgr.GetCache()}),
			}
			return r.SetupWithManager(ctx, mgr, Options{ProgressInterval: 100 * time.Millisecond})
		})
	}

	for _, infra := range all {
		// Conditions are written before the rest of the status.
		b.g.Eventually(func() *bool {
			env.Reload(t, infra)
			return infra.Status.Initialization.Provisioned
		}, 60*time.Second, 100*time.Millisecond).Should(HaveValue(BeTrue()))
	}

	hosts := map[string]bool{}
	networks := map[string]bool{}
	for _, infra := range all {
		hosts[infra.Spec.ControlPlaneEndpoint.Host] = true
		networks[infra.Status.Accounts[0].VCNID] = true
	}
	b.g.Expect(hosts).To(HaveLen(clusters))
	b.g.Expect(networks).To(HaveLen(clusters))
	left, err := b.OCI.Leftovers(b.Tenancies[0].Name)
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(left).To(HaveLen(5*clusters), "two managers at once make no network twice")
}

func TestAManagerIsWokenByAccountsTailnetsAndMachines(t *testing.T) {
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	b.Reload(t, b.Accounts[0])
	b.SetReady(t, b.Accounts[0], metav1.ConditionFalse, "SecretNotFound", "create it")
	b.Reload(t, b.Tailnet)
	b.SetReady(t, b.Tailnet, metav1.ConditionFalse, "ScopeMissing", "grant it")
	env.Manager(t, func(ctx context.Context, mgr manager.Manager) error {
		r := &Reconciler{Client: mgr.GetClient(), Reader: mgr.GetAPIReader(), Clients: b.Clients}
		return r.SetupWithManager(ctx, mgr, Options{PollInterval: time.Hour, ProgressInterval: 100 * time.Millisecond, ListLag: time.Millisecond})
	})
	infra := b.cluster("c1")
	seen := func() []string {
		env.Reload(t, infra)
		return helpers.ConditionsOf(infra)
	}
	b.g.Eventually(seen, patience).Should(ContainElements("AccountsReady False AccountNotReady", "TailnetReady False TailnetNotReady"))

	b.MakeReady(t)
	b.g.Eventually(seen, patience).Should(ContainElement("Ready True Ready"))

	machine := b.machineIn(infra, "m1", b.Accounts[0].Name)
	b.g.Expect(env.Client.Delete(t.Context(), infra.DeepCopy())).To(Succeed())
	b.g.Eventually(seen, patience).Should(ContainElement("Deleting True InUse"))
	b.g.Expect(env.Client.Delete(t.Context(), machine)).To(Succeed())

	b.g.Eventually(func(g Gomega) {
		list := &infrav1.OCIMeshClusterList{}
		g.Expect(env.Client.List(t.Context(), list, client.InNamespace(b.Namespace))).To(Succeed())
		g.Expect(list.Items).To(BeEmpty())
	}, patience).Should(Succeed())
	b.ExpectNothingLeft(t)
}

func TestAClusterOfAnotherManagerIsLeftAlone(t *testing.T) {
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	b.r.Options.WatchFilterValue = "mine"
	infra := b.cluster("c1")

	result, err := b.reconcile(infra)

	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(result).To(Equal(ctrl.Result{}))
	b.g.Expect(infra.Finalizers).To(BeEmpty())
}

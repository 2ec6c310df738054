// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool_test

import (
	"maps"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// infraCluster is the OCIMeshCluster.
func (b *bench) infraCluster(t *testing.T) *infrav1.OCIMeshCluster {
	t.Helper()
	infra := &infrav1.OCIMeshCluster{ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace, Name: b.cluster.Name}}
	b.Reload(t, infra)
	return infra
}

// changeInfra changes the status of the OCIMeshCluster.
func (b *bench) changeInfra(t *testing.T, change func(*infrav1.OCIMeshCluster)) {
	t.Helper()
	infra := b.infraCluster(t)
	change(infra)
	NewWithT(t).Expect(b.Client.Status().Update(t.Context(), infra)).To(Succeed())
}

// provisioned says whether the Cluster's infrastructure is.
func (b *bench) provisioned(t *testing.T, yes bool) {
	t.Helper()
	b.Reload(t, b.cluster)
	b.cluster.Status.Initialization.InfrastructureProvisioned = ptr.To(yes)
	NewWithT(t).Expect(b.Client.Status().Update(t.Context(), b.cluster)).To(Succeed())
}

// untilConditions makes passes until the conditions of a pool that nobody deletes are as expected,
// each as "Type Status Reason".
func (b *bench) untilConditions(t *testing.T, want ...string) {
	t.Helper()
	want = append(want, "Deleting False NotDeleting", "Paused False NotPaused")
	b.until(t, func(g Gomega) { g.Expect(helpers.ConditionsOf(b.own)).To(ConsistOf(want)) })
	helpers.ExpectConditions(t, b.own, want...)
}

// untilDeletionWaits deletes the pool and makes passes until that waits for the reason.
func (b *bench) untilDeletionWaits(t *testing.T, reason string) {
	t.Helper()
	NewWithT(t).Expect(b.Client.Delete(t.Context(), b.own)).To(Succeed())
	want := []string{
		"Ready False " + reason, "Deleting True " + reason, "ConfigurationReady False Deleting", "PoolReady False Deleting",
		"InstancesReady False Deleting", "TailnetReady False Deleting", "Paused False NotPaused",
	}
	b.until(t, func(g Gomega) { g.Expect(helpers.ConditionsOf(b.own)).To(ConsistOf(want)) })
	helpers.ExpectConditions(t, b.own, want...)
}

func TestNothingIsMadeForAPoolBeforeItsTime(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 0, func(machinePool *clusterv1.MachinePool, _ *expv1.OCIMeshMachinePool) {
		machinePool.Spec.Template.Spec.Bootstrap = clusterv1.Bootstrap{ConfigRef: clusterv1.ContractVersionedObjectReference{
			APIGroup: "bootstrap.cluster.x-k8s.io", Kind: "KubeadmConfig", Name: "workers",
		}}
	})
	b.provisioned(t, false)
	waiting := []string{"PoolReady False Waiting", "InstancesReady True Ready", "TailnetReady False Waiting"}
	b.untilConditions(t, append(waiting, "Ready False WaitingForClusterInfrastructureReady", "ConfigurationReady False WaitingForClusterInfrastructureReady")...)
	g.Expect(helpers.MessageOf(b.own, expv1.PoolReadyCondition)).To(Equal("There is no instance pool yet"))
	b.provisioned(t, true)
	b.untilConditions(t, append(waiting, "Ready False WaitingForBootstrapData", "ConfigurationReady False WaitingForBootstrapData")...)
	for _, operation := range []string{"ListImages", "CreateInstanceConfiguration", "CreateInstancePool"} {
		g.Expect(b.calls(operation)).To(BeZero(), operation)
	}
	g.Expect(b.Control.Keys()).To(BeEmpty())
	g.Expect(b.own.Status.InfrastructureMachineKind).To(Equal("OCIMeshMachinePoolMachine"), "Cluster API asks for it first")

	helpers.Update(t, b.Environment, b.machinePool, func(p *clusterv1.MachinePool) {
		p.Spec.Template.Spec.Bootstrap.DataSecretName = ptr.To("workers-bootstrap")
	})
	b.untilReady(t, 0)
}

// again makes an object anew that somebody has deleted.
func again[T interface {
	helpers.Conditioned
	DeepCopy() T
}](t *testing.T, b *bench, object T) T {
	t.Helper()
	copied := object.DeepCopy()
	copied.SetResourceVersion("")
	copied.SetUID("")
	b.Create(t, copied)
	return copied
}

// need is something that a pool cannot do without.
type need struct {
	spoil, heal              func(t *testing.T)
	condition, reason, helps string
	// unseen says that the account cannot be asked.
	unseen bool
}

// needsOfConfiguration are the pool's cluster, account and network.
func needsOfConfiguration(t *testing.T, b *bench) map[string]need {
	t.Helper()
	infra := b.infraCluster(t)
	allow := func(t *testing.T, namespace string) {
		helpers.Update(t, b.Environment, b.Accounts[0], func(a *infrav1.OCIAccount) { a.Spec.AllowedNamespaces.List = []string{namespace} })
	}
	network := func(t *testing.T, change func(*infrav1.ClusterAccountStatus)) {
		b.changeInfra(t, func(infra *infrav1.OCIMeshCluster) { change(&infra.Status.Accounts[0]) })
	}
	const configuration = expv1.ConfigurationReadyCondition
	return map[string]need{
		"the OCIMeshCluster is gone": {
			func(t *testing.T) { NewWithT(t).Expect(b.Client.Delete(t.Context(), infra)).To(Succeed()) },
			func(t *testing.T) {
				status := infra.Status
				infra = again(t, b, infra)
				b.changeInfra(t, func(now *infrav1.OCIMeshCluster) { now.Status = status })
			},
			configuration, "WaitingForClusterInfrastructureReady", "OCIMeshCluster", false,
		},
		"the account does not allow the namespace": {
			func(t *testing.T) { allow(t, "somebody-else") }, func(t *testing.T) { allow(t, b.Namespace) },
			configuration, "NamespaceNotAllowed", "have its owner add the namespace", true,
		},
		"the account is not ready": {
			func(t *testing.T) {
				b.Reload(t, b.Accounts[0])
				b.SetReady(t, b.Accounts[0], metav1.ConditionFalse, "AuthenticationFailed", "Upload the key")
			},
			func(t *testing.T) { b.MakeReady(t) },
			configuration, "AccountNotReady", "Upload the key", true,
		},
		"the account's network is not ready": {
			func(t *testing.T) { network(t, func(a *infrav1.ClusterAccountStatus) { a.Ready = ptr.To(false) }) },
			func(t *testing.T) { network(t, func(a *infrav1.ClusterAccountStatus) { a.Ready = ptr.To(true) }) },
			configuration, "WaitingForNetwork", "add the account to its spec.accounts, or see its status", false,
		},
		"the cluster is not in the account": {
			func(t *testing.T) { network(t, func(a *infrav1.ClusterAccountStatus) { a.Name = "another" }) },
			func(t *testing.T) { network(t, func(a *infrav1.ClusterAccountStatus) { a.Name = b.Accounts[0].Name }) },
			configuration, "WaitingForNetwork", b.Accounts[0].Name, false,
		},
	}
}

// needsOfTailnet are the pool's tailnet and its credentials.
func needsOfTailnet(b *bench) map[string]need {
	allow := func(t *testing.T, namespace string) {
		helpers.Update(t, b.Environment, b.Tailnet, func(tn *infrav1.Tailnet) { tn.Spec.AllowedNamespaces.List = []string{namespace} })
	}
	const tailnet = infrav1.TailnetReadyCondition
	return map[string]need{
		"the tailnet does not allow the namespace": {
			func(t *testing.T) { allow(t, "somebody-else") }, func(t *testing.T) { allow(t, b.Namespace) },
			tailnet, "NamespaceNotAllowed", "have its owner add the namespace", false,
		},
		"the Tailnet is gone": {
			func(t *testing.T) { NewWithT(t).Expect(b.Client.Delete(t.Context(), b.Tailnet)).To(Succeed()) },
			func(t *testing.T) { b.Tailnet = again(t, b, b.Tailnet) },
			tailnet, "TailnetNotFound", "create it", false,
		},
		"the tailnet's credentials are gone": {
			func(t *testing.T) {
				NewWithT(t).Expect(b.Client.Delete(t.Context(), b.TailnetCredentials)).To(Succeed())
			},
			func(t *testing.T) {
				b.TailnetCredentials.ResourceVersion = ""
				b.Create(t, b.TailnetCredentials)
			},
			tailnet, "SecretNotFound", b.TailnetCredentials.Name, false,
		},
	}
}

func TestWhatAPoolNeedsIsToldAndHeals(t *testing.T) {
	t.Parallel()
	b := newBench(t, 0)
	b.untilReady(t, 0)
	needs := needsOfConfiguration(t, b)
	maps.Copy(needs, needsOfTailnet(b))
	for name, world := range needs {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			world.spoil(t)
			want := []string{"Ready False " + world.reason, "InstancesReady True Ready"}
			if world.unseen {
				want = append(want, "PoolReady False Waiting")
			} else {
				want = append(want, "PoolReady True Ready")
			}
			if world.condition == infrav1.TailnetReadyCondition {
				want = append(want, "TailnetReady False "+world.reason, "ConfigurationReady True Ready")
			} else {
				want = append(want, "ConfigurationReady False "+world.reason, "TailnetReady False Waiting")
			}
			b.untilConditions(t, want...)
			g.Expect(helpers.MessageOf(b.own, world.condition)).To(ContainSubstring(world.helps))
			if world.unseen {
				g.Expect(helpers.MessageOf(b.own, expv1.PoolReadyCondition)).To(Equal("The instance pool has not been checked yet"), "there is one")
			}
			g.Expect(b.own.Status.Ready).To(HaveValue(BeTrue()), "that is never taken back")
			world.heal(t)
			b.untilReady(t, 0)
		})
	}
	NewWithT(t).Expect(b.calls("CreateInstancePool")).To(Equal(1))
}

func TestInstancesAreLookedAtWhateverOthersHaveYetToDo(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*testing.T, *bench){
		"the cluster is not provisioned": func(t *testing.T, b *bench) { b.provisioned(t, false) },
		"there is no bootstrap data": func(t *testing.T, b *bench) {
			helpers.Update(t, b.Environment, b.machinePool, func(p *clusterv1.MachinePool) {
				p.Spec.Template.Spec.Bootstrap = clusterv1.Bootstrap{ConfigRef: clusterv1.ContractVersionedObjectReference{
					APIGroup: "bootstrap.cluster.x-k8s.io", Kind: "KubeadmConfig", Name: "workers",
				}}
			})
		},
		"the network is not ready": func(t *testing.T, b *bench) {
			b.changeInfra(t, func(infra *infrav1.OCIMeshCluster) { infra.Status.Accounts[0].Ready = ptr.To(false) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, 1)
			b.untilReady(t, 1)
			spoil(t, b)
			b.until(t, func(g Gomega) {
				g.Expect(helpers.ConditionsOf(b.own)).To(ContainElement(HavePrefix("ConfigurationReady False Waiting")))
			})

			// OCI replaces an instance by itself.
			lost := b.machines(t)[0]
			g.Expect(b.OCI.TerminateInstance(cloud.InstanceIDOf(lost.Spec.ProviderID))).To(Succeed())

			b.until(t, func(g Gomega) {
				g.Expect(names(b.machines(t))).To(And(HaveLen(1), Not(ContainElement(lost.Name))))
				g.Expect(b.own.Spec.ProviderIDList).To(ConsistOf(b.machines(t)[0].Spec.ProviderID))
			})
		})
	}
}

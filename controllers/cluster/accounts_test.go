// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/ocisim/sim"
)

// An account in error is shown, affects nothing else, and is used once it is mended.
func TestAnAccountInErrorAffectsOnlyItself(t *testing.T) {
	for name, world := range map[string]struct {
		spoil  func(*bench)
		mend   func(*bench)
		ready  string
		reason string
		show   string
	}{
		"missing": {
			spoil: func(b *bench) { b.g.Expect(env.Client.Delete(b.t.Context(), b.Accounts[1].DeepCopy())).To(Succeed()) },
			mend: func(b *bench) {
				b.Accounts[1].ResourceVersion, b.Accounts[1].UID = "", ""
				env.Create(b.t, b.Accounts[1])
				b.MakeReady(b.t)
			},
			ready: "AccountsReady False AccountNotFound", reason: infrav1.AccountNotFoundReason, show: "create it",
		},
		"not for this namespace": {
			spoil: func(b *bench) {
				helpers.Update(b.t, env, b.Accounts[1], func(a *infrav1.OCIAccount) { a.Spec.AllowedNamespaces.List = []string{"else"} })
			},
			mend: func(b *bench) {
				helpers.Update(b.t, env, b.Accounts[1], func(a *infrav1.OCIAccount) { a.Spec.AllowedNamespaces.List = []string{b.Namespace} })
			},
			ready: "AccountsReady False NamespaceNotAllowed", reason: infrav1.NamespaceNotAllowedReason, show: "allowedNamespaces",
		},
		"not Ready": {
			spoil: func(b *bench) {
				b.Reload(b.t, b.Accounts[1])
				b.SetReady(b.t, b.Accounts[1], metav1.ConditionFalse, "AuthenticationFailed", "mend the Secret")
			},
			mend:  func(b *bench) { b.MakeReady(b.t) },
			ready: "AccountsReady False AccountNotReady", reason: infrav1.AccountNotReadyReason, show: "mend the Secret",
		},
		"limit of VCNs used up": {
			spoil: func(b *bench) { b.g.Expect(b.OCI.SetLimit(b.Tenancies[1].Name, "vcn-count", 0)).To(Succeed()) },
			mend:  func(b *bench) { b.g.Expect(b.OCI.SetLimit(b.Tenancies[1].Name, "vcn-count", 10)).To(Succeed()) },
			ready: "NetworkReady False NetworkFailed", reason: infrav1.NetworkFailedReason, show: "service limit",
		},
		"no permission": {
			spoil: func(b *bench) {
				b.OCI.AddFault(sim.Fault{
					Tenancy: b.Tenancies[1].Name, Operation: "CreateVcn", Status: 404, Code: "NotAuthorizedOrNotFound", Times: -1,
				})
			},
			mend:  func(b *bench) { b.OCI.ClearFaults() },
			ready: "NetworkReady False NotAuthorizedOrNotFound", reason: infrav1.NotAuthorizedOrNotFoundReason, show: "policies",
		},
		"service unavailable": {
			spoil: func(b *bench) {
				b.OCI.AddFault(sim.Fault{Tenancy: b.Tenancies[1].Name, Status: 503, Code: "ServiceUnavailable", Times: -1})
			},
			mend:  func(b *bench) { b.OCI.ClearFaults() },
			ready: "NetworkReady False Unavailable", reason: infrav1.UnavailableReason, show: "repeated later",
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, helpers.WorldOptions{Accounts: 2})
			world.spoil(b)
			infra := b.cluster("c1")

			b.until(infra, world.ready)
			b.g.Eventually(func() *bool { b.until(infra, world.ready); return infra.Status.Accounts[0].Ready }, patience, "5ms").
				Should(HaveValue(BeTrue()))

			b.g.Expect(infra.Status.Initialization.Provisioned).To(HaveValue(BeTrue()), "the other account is enough")
			b.g.Expect(infra.Status.FailureDomains).To(HaveLen(1))
			bad := infra.Status.Accounts[1]
			b.g.Expect(bad.Ready).To(HaveValue(BeFalse()))
			b.g.Expect(bad.Reason).To(Equal(world.reason))
			b.g.Expect(bad.Message).To(ContainSubstring(world.show))
			b.g.Expect(helpers.MessageOf(infra, infrav1.ReadyCondition)).To(ContainSubstring(world.show))

			world.mend(b)
			b.until(infra, "Ready True Ready")

			b.g.Expect(infra.Status.FailureDomains).To(HaveLen(2))
			b.deleted(infra)
			b.ExpectNothingLeft(t)
		})
	}
}

func TestWithoutAnAccountForControlPlanesTheClusterIsNotProvisioned(t *testing.T) {
	b := newBench(t, helpers.WorldOptions{Accounts: 2})
	b.Reload(t, b.Accounts[0])
	b.SetReady(t, b.Accounts[0], metav1.ConditionFalse, "SecretNotFound", "create it")
	no := false
	infra := b.cluster("c1", func(_ *clusterv1.Cluster, infra *infrav1.OCIMeshCluster) {
		if len(infra.Spec.Accounts) > 0 {
			infra.Spec.Accounts[1].ControlPlane = &no
		}
	})

	b.until(infra, "NetworkReady True Ready")

	b.g.Expect(infra.Status.Initialization.Provisioned).To(BeNil())
}

func TestAnAccountThatWasNotLookedAtYetIsWaitedFor(t *testing.T) {
	b := newBench(t, helpers.WorldOptions{Accounts: 2})
	b.Reload(t, b.Accounts[1])
	b.Accounts[1].Status = infrav1.OCIAccountStatus{AvailabilityDomains: b.Accounts[1].Status.AvailabilityDomains}
	b.g.Expect(env.Client.Status().Update(t.Context(), b.Accounts[1])).To(Succeed())
	infra := b.cluster("c1")

	b.until(infra, "NetworkReady True Ready")
	b.g.Expect(infra.Status.Initialization.Provisioned).To(BeNil(), "the control plane spreads over the accounts that there are")

	b.MakeReady(t)
	b.until(infra, "Ready True Ready")
	b.g.Expect(infra.Status.Initialization.Provisioned).To(HaveValue(BeTrue()))
}

func TestAFailureDomainStaysWhileMachinesAreInIt(t *testing.T) {
	b := newBench(t, helpers.WorldOptions{Accounts: 3})
	infra := b.cluster("c1")
	b.until(infra, "Ready True Ready")
	b.machineIn(infra, "m1", b.Accounts[1].Name)
	for _, account := range b.Accounts[1:] {
		b.Reload(t, account)
		b.SetReady(t, account, metav1.ConditionFalse, "AuthenticationFailed", "mend the Secret")
	}

	b.until(infra, "AccountsReady False AccountNotReady")

	b.g.Expect(names(infra.Status.FailureDomains)).To(Equal([]string{b.Accounts[0].Name + "-ad-1", b.Accounts[1].Name + "-ad-1"}),
		"the third has no machines, and nothing new can be placed there")
	b.g.Expect(infra.Status.Accounts[1].SubnetID).NotTo(BeEmpty(), "what is known stays in the status")
	b.g.Expect(infra.Status.Initialization.Provisioned).To(HaveValue(BeTrue()), "written once")

	b.MakeReady(t)
	b.until(infra, "Ready True Ready")
	b.g.Expect(infra.Status.FailureDomains).To(HaveLen(3))
}

func TestAFailureDomainOutlivesAHiccup(t *testing.T) {
	b := newBench(t, helpers.WorldOptions{Accounts: 2})
	infra := b.cluster("c1")
	b.until(infra, "Ready True Ready")
	b.restart()
	b.OCI.AddFault(sim.Fault{Tenancy: b.Tenancies[1].Name, Status: 503, Code: "ServiceUnavailable", Times: -1})

	b.until(infra, "NetworkReady False Unavailable")

	b.g.Expect(infra.Status.FailureDomains).To(HaveLen(2))
	b.g.Expect(infra.Status.Accounts[1].Ready).To(HaveValue(BeFalse()))
}

func names(domains []clusterv1.FailureDomain) []string {
	var out []string
	for _, domain := range domains {
		out = append(out, domain.Name)
	}
	return out
}

func TestAnAccountThatLeavesTheSpecLosesItsNetworkAfterItsMachines(t *testing.T) {
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
		patience, "5ms").Should(HaveLen(1))

	left, err := b.OCI.Leftovers(b.Tenancies[1].Name)
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(left).To(BeEmpty())
	b.g.Expect(infra.Annotations[infrav1.NetworkAccountsAnnotation]).To(Equal(b.Accounts[0].Name))
}

func TestAPassOverAnOldCopyDoesNotSpoilTheStatus(t *testing.T) {
	b := newBench(t, helpers.WorldOptions{Accounts: 2})
	infra := b.cluster("c1", func(_ *clusterv1.Cluster, infra *infrav1.OCIMeshCluster) {
		if len(infra.Spec.Accounts) > 0 {
			infra.Spec.Accounts = infra.Spec.Accounts[:1]
		}
	})
	b.until(infra, "Ready True Ready")
	old := helpers.NewOCIMeshCluster(helpers.NewCluster(b.Namespace, "c1"), b.Tailnet.Name, b.AccountNames())
	helpers.Update(t, env, infra, func(c *infrav1.OCIMeshCluster) { c.Spec.Accounts = old.Spec.Accounts })
	stale := infra.DeepCopy()
	helpers.Update(t, env, infra, func(c *infrav1.OCIMeshCluster) { c.Labels = map[string]string{"team": "red"} })
	seen := infra.Status.DeepCopy()
	direct, err := client.NewWithWatch(env.Config, client.Options{Scheme: env.Scheme})
	b.g.Expect(err).NotTo(HaveOccurred())
	b.r.Client = interceptor.NewClient(direct, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			if cluster, ok := object.(*infrav1.OCIMeshCluster); ok && stale != nil {
				stale.DeepCopyInto(cluster)
				stale = nil
				return nil
			}
			return c.Get(ctx, key, object, options...)
		},
	})

	_, err = b.reconcile(infra)

	b.g.Expect(apierrors.IsConflict(err)).To(BeTrue(), "%v", err)
	b.g.Expect(&infra.Status).To(Equal(seen), "machines find their subnets in it")
}

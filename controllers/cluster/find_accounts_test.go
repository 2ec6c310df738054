// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

// accountError spoils an account and fixes it: ready is the condition meanwhile, reason and show
// are of the account in status.
type accountError struct {
	spoil  func(*bench)
	fix    func(*bench)
	ready  string
	reason string
	show   string
}

// accountErrors are those of the second of two accounts.
var accountErrors = map[string]accountError{
	"missing": {
		spoil: func(b *bench) { b.g.Expect(env.Client.Delete(b.t.Context(), b.Accounts[1].DeepCopy())).To(Succeed()) },
		fix: func(b *bench) {
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
		fix: func(b *bench) {
			helpers.Update(b.t, env, b.Accounts[1], func(a *infrav1.OCIAccount) { a.Spec.AllowedNamespaces.List = []string{b.Namespace} })
		},
		ready: "AccountsReady False NamespaceNotAllowed", reason: infrav1.NamespaceNotAllowedReason, show: "allowedNamespaces",
	},
	"not Ready": {
		spoil: func(b *bench) {
			b.Reload(b.t, b.Accounts[1])
			b.SetReady(b.t, b.Accounts[1], metav1.ConditionFalse, "AuthenticationFailed", "fix the Secret")
		},
		fix:   func(b *bench) { b.MakeReady(b.t) },
		ready: "AccountsReady False AccountNotReady", reason: infrav1.AccountNotReadyReason, show: "fix the Secret",
	},
	"limit of VCNs used up": {
		spoil: func(b *bench) { b.g.Expect(b.OCI.SetLimit(b.Tenancies[1].Name, "vcn-count", 0)).To(Succeed()) },
		fix:   func(b *bench) { b.g.Expect(b.OCI.SetLimit(b.Tenancies[1].Name, "vcn-count", 10)).To(Succeed()) },
		ready: "NetworkReady False NetworkFailed", reason: infrav1.NetworkFailedReason, show: "service limit",
	},
	"no permission": {
		spoil: func(b *bench) {
			b.OCI.AddFault(sim.Fault{
				Tenancy: b.Tenancies[1].Name, Operation: "CreateVcn", Status: 404, Code: "NotAuthorizedOrNotFound", Times: -1,
			})
		},
		fix:   func(b *bench) { b.OCI.ClearFaults() },
		ready: "NetworkReady False NotAuthorizedOrNotFound", reason: infrav1.NotAuthorizedOrNotFoundReason, show: "policies",
	},
	"service unavailable": {
		spoil: func(b *bench) {
			b.OCI.AddFault(sim.Fault{Tenancy: b.Tenancies[1].Name, Status: 503, Code: "ServiceUnavailable", Times: -1})
		},
		fix:   func(b *bench) { b.OCI.ClearFaults() },
		ready: "NetworkReady False Unavailable", reason: infrav1.UnavailableReason, show: "repeated later",
	},
}

// An account in error is shown, affects nothing else, and is used once it is fixed.
func TestAnAccountInErrorAffectsOnlyItself(t *testing.T) {
	t.Parallel()
	for name, world := range accountErrors {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, helpers.WorldOptions{Accounts: 2})
			world.spoil(b)
			infra := b.cluster("c1")

			b.until(infra, world.ready)
			b.g.Eventually(func() *bool { b.until(infra, world.ready); return infra.Status.Accounts[0].Ready }, timeout, "5ms").
				Should(HaveValue(BeTrue()))

			b.g.Expect(infra.Status.Initialization.Provisioned).To(HaveValue(BeTrue()), "the other account is enough")
			b.g.Expect(infra.Status.FailureDomains).To(HaveLen(1))
			bad := infra.Status.Accounts[1]
			b.g.Expect(bad.Ready).To(HaveValue(BeFalse()))
			b.g.Expect(bad.Reason).To(Equal(world.reason))
			b.g.Expect(bad.Message).To(ContainSubstring(world.show))
			b.g.Expect(helpers.ConditionsOf(infra)).To(ContainElement("Ready True Ready"), "one account down is not a cluster down")
			b.g.Expect(infra.Status.UsableAccounts).To(Equal("1/2"))
			for _, condition := range []string{infrav1.ReadyCondition, infrav1.AccountsReadyCondition} {
				b.g.Expect(helpers.MessageOf(infra, condition)).To(And(
					HavePrefix("1 of 2 accounts usable: "), ContainSubstring(bad.Name), ContainSubstring(world.show)))
			}

			world.fix(b)
			b.until(infra, "AccountsReady True Ready")

			b.g.Expect(infra.Status.FailureDomains).To(HaveLen(2))
			b.deleted(infra)
			b.ExpectNothingLeft(t)
		})
	}
}

// A network is told by the cluster's tags: two accounts would share one, and the first to leave
// would delete it.
func TestASecondAccountOfACompartmentWaitsForTheEndOfTheFirst(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	twin := b.twin()
	infra := b.cluster("c1", func(_ *clusterv1.Cluster, infra *infrav1.OCIMeshCluster) {
		for _, account := range infra.Spec.Accounts {
			infra.Spec.Accounts = append(infra.Spec.Accounts, inPlaceOf(account, twin))
		}
	})

	b.until(infra, "AccountsReady False AccountNotReady")
	b.until(infra, "Ready True Ready")

	b.g.Expect(infra.Status.Accounts[1].Message).To(And(ContainSubstring(b.Accounts[0].Name), ContainSubstring("a compartment of its own")))
	b.g.Expect(infra.Status.Accounts[1].VCNID).To(BeEmpty())
	first := infra.Status.Accounts[0].VCNID

	helpers.Update(t, env, infra, func(c *infrav1.OCIMeshCluster) { c.Spec.Accounts = c.Spec.Accounts[1:] })
	b.until(infra, "AccountsReady False AccountNotReady")
	b.until(infra, "AccountsReady True Ready")

	b.g.Expect(infra.Status.Accounts).To(HaveLen(1))
	b.g.Expect(infra.Status.Accounts[0].VCNID).NotTo(BeElementOf("", first))
	b.deleted(infra)
	b.ExpectNothingLeft(t)
}

// twin is an account of the first one's compartment.
func (b *bench) twin() *infrav1.OCIAccount {
	b.t.Helper()
	twin := &infrav1.OCIAccount{ObjectMeta: metav1.ObjectMeta{Name: b.Accounts[0].Name + "-twin"}, Spec: *b.Accounts[0].Spec.DeepCopy()}
	b.Create(b.t, twin)
	twin.Status.AvailabilityDomains = b.Accounts[0].Status.AvailabilityDomains
	b.SetReady(b.t, twin, metav1.ConditionTrue, infrav1.ReadyReason, "")
	return twin
}

// inPlaceOf is another account as a cluster's spec has the first.
func inPlaceOf(first infrav1.ClusterAccount, other *infrav1.OCIAccount) infrav1.ClusterAccount {
	same := *first.DeepCopy()
	same.Name = other.Name
	return same
}

func TestAnAccountWithANetworkKeepsItFromATwinThatIsListedBeforeIt(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	infra := b.cluster("c1")
	b.until(infra, "Ready True Ready")
	twin, vcn := b.twin(), infra.Status.Accounts[0].VCNID

	helpers.Update(t, env, infra, func(c *infrav1.OCIMeshCluster) {
		c.Spec.Accounts = append([]infrav1.ClusterAccount{inPlaceOf(c.Spec.Accounts[0], twin)}, c.Spec.Accounts...)
	})
	b.until(infra, "AccountsReady False AccountNotReady")

	b.g.Expect(infra.Status.Accounts).To(HaveExactElements(
		And(HaveField("Name", twin.Name), HaveField("Ready", HaveValue(BeFalse())), HaveField("VCNID", BeEmpty()),
			HaveField("Message", ContainSubstring("the same compartment and region as OCIAccount "+b.Accounts[0].Name))),
		And(HaveField("Name", b.Accounts[0].Name), HaveField("Ready", HaveValue(BeTrue())), HaveField("VCNID", vcn))))
	b.g.Expect(helpers.ConditionsOf(infra)).To(ContainElement("Ready True Ready"))
	b.g.Expect(infra.Annotations).To(HaveKeyWithValue(infrav1.NetworkAccountsAnnotation, b.Accounts[0].Name))
	b.deleted(infra)
	b.ExpectNothingLeft(t)
}

func TestAnAccountThatWasNotCheckedYetIsWaitedFor(t *testing.T) {
	t.Parallel()
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

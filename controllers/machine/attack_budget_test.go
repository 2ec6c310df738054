// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// The attacker is a user of one namespace (T1): of one that an account allows beside others, unless
// a test says otherwise.

const someUID = "0badcafe-0000-4000-8000-000000000000"

func sized(ocpus, memory int32) func(*clusterv1.Machine, *infrav1.OCIMeshMachine) {
	return func(_ *clusterv1.Machine, own *infrav1.OCIMeshMachine) {
		own.Spec.Shapes = []infrav1.Shape{{Name: arm, OCPUs: ocpus, MemoryGB: memory}}
	}
}

// claiming has the machine say that it was first seen with the UID.
func (b *bench) claiming(t *testing.T, own *infrav1.OCIMeshMachine, uid string) *infrav1.OCIMeshMachine {
	t.Helper()
	helpers.Update(t, b.Environment, own, func(m *infrav1.OCIMeshMachine) {
		m.Annotations = map[string]string{infrav1.IdentityAnnotation: fmt.Sprintf("%s/%s/%s", m.Namespace, m.Name, uid)}
	})
	return own
}

func TestT1CannotHideInstancesFromTheBudgetBehindAnIdentity(t *testing.T) {
	for name, late := range map[string]func(t *testing.T, b *bench) *infrav1.OCIMeshMachine{
		"its own": func(t *testing.T, b *bench) *infrav1.OCIMeshMachine {
			return b.claiming(t, b.machine(t, "late"), someUID)
		},
		"that of another machine in the account": func(t *testing.T, b *bench) *infrav1.OCIMeshMachine {
			cover := b.claiming(t, b.machine(t, "cover"), someUID)
			b.Reload(t, cover)
			cover.Status.Placement = infrav1.Placement{
				Attempt: 1, Account: b.Accounts[0].Name, AvailabilityDomain: b.Tenancies[0].AvailabilityDomains()[0], Shape: "VM.Standard.E5.Flex",
			}
			NewWithT(t).Expect(b.Client.Status().Update(t.Context(), cover)).To(Succeed())
			return b.machine(t, "late")
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{})
			b.setBudget(t, 0, 1)
			b.untilProvisioned(t, b.claiming(t, b.machine(t, "first"), someUID))
			b.forsake(t, "first")
			g.Expect(b.instances(t)).To(HaveLen(1))

			b.untilCondition(t, late(t, b), "Ready False BudgetExceeded")
			g.Expect(b.instances(t)).To(HaveLen(1))
		})
	}
}

func TestT1CannotMakeAnInstanceSmallerForTheBudgetThanItIs(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	helpers.Update(t, b.Environment, b.Accounts[0], func(account *infrav1.OCIAccount) {
		account.Spec.Budget = infrav1.AccountBudget{Families: []infrav1.FamilyBudget{{Family: armFamily, OCPUs: ptr.To[int32](4)}}}
	})
	large := b.claiming(t, b.machine(t, "first", sized(4, 24)), someUID)
	b.untilProvisioned(t, large)
	b.forsake(t, "first")
	again := &infrav1.OCIMeshMachine{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: large.Namespace, Name: large.Name, Labels: large.Labels, Annotations: large.Annotations, OwnerReferences: large.OwnerReferences,
		},
		Spec: large.Spec,
	}
	again.Spec.ProviderID, again.Spec.Shapes = "", []infrav1.Shape{{Name: arm, OCPUs: 1, MemoryGB: 6}}
	b.Create(t, again)
	b.until(t, again, func(g Gomega) { g.Expect(again.Status.Instance.ID).To(Equal(large.Status.Instance.ID)) })

	b.untilCondition(t, b.machine(t, "late", sized(2, 12)), "Ready False BudgetExceeded")
	g.Expect(b.instances(t)).To(HaveLen(1))
}

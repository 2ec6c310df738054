// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// The attacker is a user of a namespace that an account allows beside others (T1), and writes
// Cluster API's mark of an update in place as well as specs.

func TestT1CannotGrowAMachinePastItsAccountsBudget(t *testing.T) {
	t.Parallel()
	large := func(s *infrav1.OCIMeshMachineSpec) { s.Shapes[0].OCPUs, s.Shapes[0].MemoryGB = 4, 24 }
	for name, world := range map[string]struct {
		attack func(t *testing.T, b *bench, own *infrav1.OCIMeshMachine)
		want   string
	}{
		"at once": {
			attack: func(t *testing.T, b *bench, own *infrav1.OCIMeshMachine) { t.Helper(); b.updates(t, own, large) },
			want:   "Updated False BudgetExceeded",
		},
		"by a change after the one that the budget had room for": {
			attack: func(t *testing.T, b *bench, own *infrav1.OCIMeshMachine) {
				t.Helper()
				b.updates(t, own, func(s *infrav1.OCIMeshMachineSpec) { s.BootVolume.SizeGB = 60 })
				b.until(t, own, func(g Gomega) { g.Expect(own.Status.Update.Step).NotTo(BeEmpty()) })
				b.updates(t, own, large)
			},
			want: "Updated False BudgetExceeded",
		},
		"without the account in the cluster's list": {
			attack: func(t *testing.T, b *bench, own *infrav1.OCIMeshMachine) {
				t.Helper()
				helpers.Update(t, b.Environment, b.infra, func(infra *infrav1.OCIMeshCluster) { infra.Spec.Accounts = infra.Spec.Accounts[1:] })
				b.updates(t, own, large)
			},
			want: "Updated False BudgetExceeded",
		},
		"after the account was closed to its namespace": {
			attack: func(t *testing.T, b *bench, own *infrav1.OCIMeshMachine) {
				t.Helper()
				helpers.Update(t, b.Environment, b.Accounts[0], func(account *infrav1.OCIAccount) {
					account.Spec.AllowedNamespaces.List = []string{"another"}
					account.Spec.Budget = infrav1.AccountBudget{}
				})
				b.updates(t, own, large)
			},
			want: "Updated False NamespaceNotAllowed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{Accounts: 2})
			own := b.machine(t, "machine", aMachine, func(_ *clusterv1.Machine, own *infrav1.OCIMeshMachine) {
				own.Spec.Accounts.Names = []string{b.Accounts[0].Name}
			})
			b.untilProvisioned(t, own)
			helpers.Update(t, b.Environment, b.Accounts[0], func(account *infrav1.OCIAccount) {
				account.Spec.Budget = infrav1.AccountBudget{Families: []infrav1.FamilyBudget{{Family: armFamily, OCPUs: ptr.To[int32](2)}}}
			})

			world.attack(t, b, own)

			b.untilCondition(t, own, world.want)
			b.settle(t, own, 5)
			g.Expect(b.instance(t, own.Status.Instance.ID).OCPUs).To(BeEquivalentTo(1))
		})
	}
}

func TestT1CannotCloseAnAccountByASizeThatItIsRefused(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	own := b.machine(t, "machine", aMachine)
	b.untilProvisioned(t, own)
	helpers.Update(t, b.Environment, b.Accounts[0], func(account *infrav1.OCIAccount) {
		account.Spec.Budget = infrav1.AccountBudget{
			Families: []infrav1.FamilyBudget{{Family: armFamily, OCPUs: ptr.To[int32](2)}}, VolumeGB: ptr.To[int32](100),
		}
	})

	b.updates(t, own, func(s *infrav1.OCIMeshMachineSpec) {
		s.Shapes[0].OCPUs, s.Shapes[0].MemoryGB, s.BootVolume.SizeGB = 512, 4096, 32768
	})
	b.untilCondition(t, own, "Updated False BudgetExceeded")

	b.untilProvisioned(t, b.machine(t, "late", sized(1, 6)))
	g.Expect(b.instance(t, own.Status.Instance.ID).OCPUs).To(BeEquivalentTo(1))
}

func TestT1CannotUseUpTheRetryTokenOfAnothersConsole(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	b.booter.setAsleep(true)
	victim := b.machine(t, "victim")
	b.until(t, victim, func(g Gomega) { g.Expect(victim.Status.Instance.State).To(Equal("RUNNING")) })
	forged := b.claiming(t, b.machine(t, "forged"), string(victim.UID))
	b.until(t, forged, func(g Gomega) { g.Expect(forged.Status.Instance.State).To(Equal("RUNNING")) })
	g.Expect(b.OCI.SetConsole(victim.Status.Instance.ID, "capom: no mirror answers\n")).To(Succeed())
	b.sleep(21 * time.Minute)
	b.until(t, forged, func(g Gomega) { g.Expect(forged.Status.Console.CapturedAt.IsZero()).To(BeFalse()) })

	b.until(t, victim, func(g Gomega) { g.Expect(victim.Status.Console.Message).NotTo(BeEmpty()) })

	g.Expect(victim.Status.Console.Message).To(Equal("no mirror answers"))
}

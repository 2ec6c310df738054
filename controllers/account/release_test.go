// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

func TestADeletedAccountWaitsForThoseThatUseIt(t *testing.T) {
	g := NewWithT(t)
	w, r := newWorld(t)
	account := w.Accounts[0]
	cluster := helpers.NewCluster(w.Namespace, "c1")
	env.Create(t, cluster)
	user := helpers.NewOCIMeshCluster(cluster, w.Tailnet.Name, []string{account.Name})
	machine := helpers.NewMachine(cluster, "m1")
	env.Create(t, user, machine)
	inside := helpers.NewOCIMeshMachine(machine)
	env.Create(t, inside)
	inside.Status.Placement = infrav1.Placement{Attempt: 1, Account: account.Name, AvailabilityDomain: "x", Shape: "VM.x"}
	g.Expect(env.Client.Status().Update(t.Context(), inside)).To(Succeed())
	reconciled(t, r, account)
	g.Expect(account.Status.Users).To(ConsistOf(infrav1.ObjectUser{Namespace: w.Namespace, Name: "c1"}))

	g.Expect(env.Client.Delete(t.Context(), account)).To(Succeed())
	reconciled(t, r, account)

	helpers.ExpectConditions(t, account, "Ready False InUse", "CredentialsValid True Ready", "CompartmentAccessible True Ready",
		"StraysAbsent Unknown Waiting", "Deleting True InUse")
	g.Expect(helpers.MessageOf(account, infrav1.DeletingCondition)).To(And(ContainSubstring(w.Namespace+"/c1"), ContainSubstring("1 OCIMeshMachines")))

	g.Expect(env.Client.Delete(t.Context(), user)).To(Succeed())
	reconciled(t, r, account)
	g.Expect(helpers.ConditionsOf(account)).To(ContainElement("Deleting True InUse"), "a machine is in it")

	g.Expect(env.Client.Delete(t.Context(), inside)).To(Succeed())
	_, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(account)})
	g.Expect(err).NotTo(HaveOccurred())
	env.ExpectGone(t, account)
}

// A pool of size 0 has its instance pool in the account, and an instance whose pool is gone may
// still have volumes there.
func TestADeletedAccountWaitsForMachinePools(t *testing.T) {
	g := NewWithT(t)
	w, r := newWorld(t)
	account := w.Accounts[0]
	strangers := env.Namespace(t, nil)
	pool, instance := helpers.NewOCIMeshMachinePool(w.Namespace, "pool", account.Name, "a"), helpers.NewOCIMeshMachinePoolMachine(w.Namespace, "pool-1")
	former := helpers.NewOCIMeshMachinePool(strangers, "former", account.Name, "b")
	env.Create(t, pool, instance, former,
		helpers.NewOCIMeshMachinePool(strangers, "forged", account.Name, "c"),
		helpers.NewOCIMeshMachinePool(w.Namespace, "elsewhere", "another", "d"),
		helpers.NewOCIMeshMachinePoolMachine(w.Namespace, "not-seen-yet"))
	instance.Status.Account = account.Name
	g.Expect(env.Client.Status().Update(t.Context(), instance)).To(Succeed())
	// Its namespace was allowed when it was made.
	former.Status.Pool.Attempt = 1
	g.Expect(env.Client.Status().Update(t.Context(), former)).To(Succeed())
	reconciled(t, r, account)
	g.Expect(env.Client.Delete(t.Context(), account)).To(Succeed())

	result := reconciled(t, r, account)

	g.Expect(helpers.ConditionsOf(account)).To(ContainElement("Deleting True InUse"))
	g.Expect(helpers.MessageOf(account, infrav1.DeletingCondition)).To(And(
		ContainSubstring("used by OCIMeshMachinePools "), ContainSubstring(w.Namespace+"/pool"), ContainSubstring(strangers+"/former"),
		HaveSuffix(" and OCIMeshMachinePoolMachines "+w.Namespace+"/pool-1: delete them")))
	g.Expect(result.RequeueAfter).To(BeNumerically("<", 15*time.Second), "nothing watches pools")

	for _, user := range []client.Object{pool, instance, former} {
		reconciled(t, r, account)
		g.Expect(helpers.ConditionsOf(account)).To(ContainElement("Deleting True InUse"))
		g.Expect(env.Client.Delete(t.Context(), user)).To(Succeed())
	}
	_, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(account)})
	g.Expect(err).NotTo(HaveOccurred())
	env.ExpectGone(t, account)
}

func TestAnAccountThatIsGoneIsNotPolled(t *testing.T) {
	g := NewWithT(t)
	w, r := newPolled(t, helpers.WorldOptions{})
	account := w.Accounts[0]
	reconciled(t, r, account)
	g.Expect(w.Client.Delete(t.Context(), account)).To(Succeed())
	g.Expect(r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(account)})).Error().NotTo(HaveOccurred())
	w.ExpectGone(t, account)
	w.OCI.ResetCalls()

	g.Expect(r.Pollers.Poll(t.Context(), account.Name)).To(Succeed())

	g.Expect(w.OCI.CallCounts("")).To(BeEmpty())
}

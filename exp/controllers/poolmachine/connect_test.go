// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package poolmachine_test

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// An object of a namespace that neither account nor tailnet allows is nobody they would work for:
// the account's own polls show whether there is anything to end.
func TestAForgedMachineCausesNoCalls(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b, attacker := newBench(t), env.Namespace(t, nil)
	b.launch(t, tagsOf(uid, b.Namespace, "workers"))
	b.cluster(t, attacker)
	b.pool(t, attacker, "workers", uid)
	r := b.reconciler(t)
	b.OCI.ResetCalls()
	b.Control.ResetCalls()
	for i := range 5 {
		object := b.machine(attacker, "workers", uid)
		object.Name, object.Spec.ProviderID = fmt.Sprint("forged-", i), fmt.Sprint("oci://ocid1.instance.oc1.iad.", i)
		b.Create(t, object)
		for range 3 {
			b.reconcile(t, g, r, object)
		}
		g.Expect(helpers.ConditionsOf(object)).To(ContainElement("InstanceReady False NamespaceNotAllowed"))
		g.Expect(b.Client.Delete(t.Context(), object)).To(Succeed())
		eventually(g, func(g Gomega) {
			b.reconcile(t, g, r, object)
			g.Expect(b.Client.Get(t.Context(), client.ObjectKeyFromObject(object), &expv1.OCIMeshMachinePoolMachine{})).NotTo(Succeed())
		})
	}
	g.Expect(b.OCI.Calls()).To(BeEmpty())
	g.Expect(b.Control.Calls()).To(BeEmpty())
}

func (b *bench) allow(t *testing.T, namespace string) {
	t.Helper()
	helpers.Update(t, b.Environment, b.Accounts[0], func(a *infrav1.OCIAccount) { a.Spec.AllowedNamespaces.List = []string{namespace} })
}

func TestAMissingAccountIsToldAndHeals(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	object := b.node(t)
	key := b.Credentials[0].Data[infrav1.CredentialsPrivateKeyKey]
	setKey := func(t *testing.T, key []byte) {
		helpers.Update(t, b.Environment, b.Credentials[0], func(s *corev1.Secret) { s.Data[infrav1.CredentialsPrivateKeyKey] = key })
	}
	for _, world := range []struct {
		name          string
		spoil, heal   func(t *testing.T)
		reason, helps string
	}{
		{
			"the account does not allow the namespace, and nothing is recorded yet",
			func(t *testing.T) { b.allow(t, "somebody-else") }, func(t *testing.T) { b.allow(t, b.Namespace) },
			"NamespaceNotAllowed", "have its owner add the namespace",
		},
		{
			"somebody deleted the OCIAccount",
			func(t *testing.T) { NewWithT(t).Expect(b.Client.Delete(t.Context(), b.Accounts[0])).To(Succeed()) },
			func(t *testing.T) { b.Accounts[0] = again(t, b, b.Accounts[0]) },
			"AccountNotFound", "create it again",
		},
		{
			"its private key is none",
			func(t *testing.T) { setKey(t, []byte("no key")) }, func(t *testing.T) { setKey(t, key) },
			"SecretInvalid", "private",
		},
	} {
		t.Run(world.name, func(t *testing.T) {
			world.spoil(t)
			b.untilConditions(t, object, "False "+world.reason, "False "+world.reason, "False Waiting")
			NewWithT(t).Expect(helpers.MessageOf(object, infrav1.InstanceReadyCondition)).To(ContainSubstring(world.helps))
			world.heal(t)
			b.untilConditions(t, object, "False Joining", "True Ready", "False Joining")
		})
	}
	b.join(object)
	b.untilConditions(t, object, "True Ready", "True Ready", "True Ready")
	b.allow(t, "somebody-else")
	for range 3 {
		b.untilConditions(t, object, "True Ready", "True Ready", "True Ready")
	}
}

// Without its account nothing can be proven gone.
func TestADeletedMachineWaitsForItsAccount(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t)
	object, _ := b.joined(t)
	g.Expect(b.Client.Delete(t.Context(), b.Accounts[0])).To(Succeed())
	b.untilDeletionWaits(t, object, "AccountNotFound")
	b.expectUntouched(t)

	b.Accounts[0] = again(t, b, b.Accounts[0])
	b.untilGone(t, object)
	g.Expect(b.state()).To(Equal("TERMINATED"))
}

// Who lost permission still ends what is his, whether or not status was lost too.
func TestANamespaceThatLostPermissionEndsWhatIsProvenToBeItsOwn(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t)
	object := b.node(t)
	b.allow(t, "somebody-else")

	b.delete(t, object)

	g.Expect(b.state()).To(Equal("TERMINATED"))
	g.Expect(b.volumes(t)).To(BeZero())
}

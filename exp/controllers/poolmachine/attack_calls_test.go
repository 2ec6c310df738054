// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package poolmachine_test

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/exp/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/helpers"
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

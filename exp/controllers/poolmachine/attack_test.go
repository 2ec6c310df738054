// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package poolmachine_test

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// attack is an object that somebody has made with the providerID of an instance that is not his.
type attack struct {
	// tags are the instance's, given the victim's namespace and the attacker's.
	tags func(victim, attacker string) map[string]string
	// object makes the object in the attacker's namespace, or in the victim's.
	object func(t *testing.T, b *bench, attacker string) *expv1.OCIMeshMachinePoolMachine
}

// forgery has a pool of the attacker's with the identity and the name of the victim's.
func forgery(t *testing.T, b *bench, attacker string) *expv1.OCIMeshMachinePoolMachine {
	b.pool(t, attacker, "workers", uid)
	return b.machine(attacker, "workers", uid)
}

func victims(victim, _ string) map[string]string { return tagsOf(uid, victim, "workers") }

var attacks = map[string]attack{
	"an instance without tags":                                          {func(_, _ string) map[string]string { return nil }, forgery},
	"an instance of somebody's script":                                  {func(_, _ string) map[string]string { return map[string]string{"team": "data"} }, forgery},
	"an instance of another namespace's pool, with its identity forged": {victims, forgery},
	"an instance that has the identity's tag only": {
		func(_, _ string) map[string]string { return map[string]string{infrav1.MachinePoolUIDTag: uid} }, forgery,
	},
	"an instance of a single machine": {
		func(_, attacker string) map[string]string {
			return map[string]string{infrav1.MachineUIDTag: uid, infrav1.MachineNameTag: attacker + "/workers"}
		}, forgery,
	},
	"an instance of an earlier pool of the same name": {
		func(_, attacker string) map[string]string { return tagsOf(other, attacker, "workers") }, forgery,
	},
	"an instance of another pool of the same namespace": {
		func(_, attacker string) map[string]string { return tagsOf(uid, attacker, "victim") }, forgery,
	},
	"a copy of an honest object under another name": {
		func(_, attacker string) map[string]string { return tagsOf(uid, attacker, "workers") },
		func(t *testing.T, b *bench, attacker string) *expv1.OCIMeshMachinePoolMachine {
			object := forgery(t, b, attacker)
			object.Name = "copy"
			return object
		},
	},
	"an owner reference to the victim's pool by name, which is not in the namespace": {
		victims, func(t *testing.T, b *bench, attacker string) *expv1.OCIMeshMachinePoolMachine {
			b.pool(t, b.Namespace, "workers", uid)
			return b.machine(attacker, "workers", uid)
		},
	},
	"no owner reference": {
		victims, func(t *testing.T, b *bench, attacker string) *expv1.OCIMeshMachinePoolMachine {
			object := b.machine(attacker, "workers", uid)
			object.OwnerReferences = nil
			return object
		},
	},
}

func TestAForgedMachineTakesNothingAlong(t *testing.T) {
	for name, attack := range attacks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, attacker := newBench(t), env.Namespace(t, nil)
			b.launch(t, attack.tags(b.Namespace, attacker))
			b.cluster(t, attacker)
			object := attack.object(t, b, attacker)
			b.Create(t, object)

			b.delete(t, object)

			b.expectUntouched(t)
			NewWithT(t).Expect(b.recorder.Events()).To(ContainElement(And(
				ContainSubstring("InstanceNotOwned"), ContainSubstring(b.instance), ContainSubstring("oci compute instance terminate"))))
		})
	}
}

func TestAForgedMachineAdoptsNothing(t *testing.T) {
	for name, attack := range attacks {
		if name == "no owner reference" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b, attacker := newBench(t), env.Namespace(t, nil)
			// Not even if the attacker may use the account.
			helpers.Update(t, b.Environment, b.Accounts[0], func(a *infrav1.OCIAccount) {
				a.Spec.AllowedNamespaces.List = append(a.Spec.AllowedNamespaces.List, attacker)
			})
			b.launch(t, attack.tags(b.Namespace, attacker))
			b.cluster(t, attacker)
			object := attack.object(t, b, attacker)
			b.Create(t, object)
			for range 5 {
				b.pass(t, g, object)
			}
			g.Expect(object.Status.Instance.ID).To(BeEmpty(), "what is not proven is not recorded")
			g.Expect(object.Status.Account).To(BeEmpty())
			g.Expect(object.Status.Initialization.Provisioned).To(BeNil())
			if len(object.Status.Conditions) > 0 {
				g.Expect(helpers.ConditionsOf(object)).To(ContainElement("InstanceReady False InstanceNotOwned"))
				g.Expect(helpers.MessageOf(object, infrav1.InstanceReadyCondition)).To(ContainSubstring(b.instance))
			}

			b.delete(t, object)
			b.expectUntouched(t)
		})
	}
}

// status writes an object's status, as this provider would have.
func (b *bench) status(t *testing.T, object client.Object, status string, args ...any) {
	t.Helper()
	patch := client.RawPatch(types.MergePatchType, []byte(fmt.Sprintf(`{"status":`+status+`}`, args...)))
	NewWithT(t).Expect(b.Client.Status().Patch(t.Context(), object, patch)).To(Succeed())
}

func TestARecordCountsOnlyWithAccountAndUnlessTagsNameAnother(t *testing.T) {
	for name, world := range map[string]struct {
		tags   map[string]string
		status func(b *bench) string
	}{
		"a record without an account, from before tags decided": {nil, func(b *bench) string {
			return fmt.Sprintf(`{"instance":{"id":%q}}`, b.instance)
		}},
		"a record in another account": {nil, func(b *bench) string {
			return fmt.Sprintf(`{"account":%q,"instance":{"id":%q}}`, b.Accounts[1].Name, b.instance)
		}},
		"a record of an instance that has another pool's tags": {tagsOf(uid, "victim", "workers"), func(b *bench) string {
			return fmt.Sprintf(`{"account":%q,"instance":{"id":%q}}`, b.Accounts[0].Name, b.instance)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.launch(t, world.tags)
			b.cluster(t, b.Namespace)
			object := forgery(t, b, b.Namespace)
			b.Create(t, object)
			b.status(t, object, world.status(b))

			b.delete(t, object)
			b.expectUntouched(t)
		})
	}
}

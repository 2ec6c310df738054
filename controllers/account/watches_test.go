// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

func TestAManagerNoticesAFixedSecretWithoutAPoll(t *testing.T) {
	g := NewWithT(t)
	w, _ := newWorld(t)
	changeSecret("fingerprint", "aa")(t, w)
	env.Manager(t, func(ctx context.Context, mgr manager.Manager) error {
		r := &Reconciler{Client: mgr.GetClient(), Clients: w.Clients}
		return r.SetupWithManager(ctx, mgr, Options{Intervals: phases.Intervals{Poll: time.Hour}})
	})
	account := w.Accounts[0]
	ready := func(g Gomega) metav1.ConditionStatus {
		env.Reload(t, account)
		for _, condition := range account.Status.Conditions {
			if condition.Type == infrav1.ReadyCondition {
				return condition.Status
			}
		}
		return ""
	}
	g.Eventually(ready, time.Minute).Should(Equal(metav1.ConditionFalse))

	restoreSecret(t, w)

	g.Eventually(ready, time.Minute).Should(Equal(metav1.ConditionTrue))
}

func TestOnlyWhatAccountsAClusterUsesWakesAnAccount(t *testing.T) {
	g := NewWithT(t)
	before := helpers.NewOCIMeshCluster(helpers.NewCluster("default", "c1"), "home", []string{"alice"})
	seen, more := before.DeepCopy(), before.DeepCopy()
	seen.Status.Conditions = []metav1.Condition{{Type: infrav1.ReadyCondition, Status: metav1.ConditionTrue}}
	more.Spec.Accounts = append(more.Spec.Accounts, infrav1.ClusterAccount{Name: "bob"})

	g.Expect(accountsChanged().Update(event.UpdateEvent{ObjectOld: before, ObjectNew: seen})).To(BeFalse())
	g.Expect(accountsChanged().Update(event.UpdateEvent{ObjectOld: before, ObjectNew: more})).To(BeTrue())
	g.Expect(accountsChanged().Delete(event.DeleteEvent{Object: before})).To(BeTrue())
}

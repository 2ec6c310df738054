// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

func TestAManagerIsWokenByAccountsTailnetsAndMachines(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	b.Reload(t, b.Accounts[0])
	b.SetReady(t, b.Accounts[0], metav1.ConditionFalse, "SecretNotFound", "create it")
	b.Reload(t, b.Tailnet)
	b.SetReady(t, b.Tailnet, metav1.ConditionFalse, "ScopeMissing", "grant it")
	env.Manager(t, func(ctx context.Context, mgr manager.Manager) error {
		r := &Reconciler{Client: mgr.GetClient(), Reader: mgr.GetAPIReader(), Clients: b.Clients}
		return r.SetupWithManager(ctx, mgr, Options{
			Intervals: phases.Intervals{Poll: time.Hour, Progress: 100 * time.Millisecond}, ListLag: time.Millisecond,
		})
	}, b.Namespace)
	infra := b.cluster("c1")
	seen := func() []string {
		env.Reload(t, infra)
		return helpers.ConditionsOf(infra)
	}
	b.g.Eventually(seen, timeout).Should(ContainElements("AccountsReady False AccountNotReady", "TailnetReady False TailnetNotReady"))

	b.MakeReady(t)
	b.g.Eventually(seen, timeout).Should(ContainElement("Ready True Ready"))

	machine := b.machineIn(infra, "m1", b.Accounts[0].Name)
	b.g.Expect(env.Client.Delete(t.Context(), infra.DeepCopy())).To(Succeed())
	b.g.Eventually(seen, timeout).Should(ContainElement("Deleting True InUse"))
	b.g.Expect(env.Client.Delete(t.Context(), machine)).To(Succeed())

	b.g.Eventually(func(g Gomega) {
		list := &infrav1.OCIMeshClusterList{}
		g.Expect(env.Client.List(t.Context(), list, client.InNamespace(b.Namespace))).To(Succeed())
		g.Expect(list.Items).To(BeEmpty())
	}, timeout).Should(Succeed())
	b.ExpectNothingLeft(t)
}

func TestAManagerComparesANetworkWithOCIWhenADeviceIsOffline(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	infra := b.cluster("c1")
	b.until(infra, "Ready True Ready")
	machine := b.machineIn(infra, "m1", b.Accounts[0].Name)
	b.runs(machine, true)
	env.Manager(t, func(ctx context.Context, mgr manager.Manager) error {
		r := &Reconciler{Client: mgr.GetClient(), Reader: mgr.GetAPIReader(), Clients: b.Clients}
		return r.SetupWithManager(ctx, mgr, Options{Intervals: phases.Intervals{Poll: time.Hour}, UnseenInterval: time.Nanosecond})
	}, b.Namespace)
	looks := func() int { return b.count("ListVcns") }
	b.g.Eventually(func(g Gomega) { g.Consistently(looks, 2*time.Second).Should(Equal(looks())) }, timeout).Should(Succeed(), "it is at rest")
	before := looks()

	suffering(infrav1.TailnetReadyCondition, infrav1.DeviceOfflineReason)(b, machine)

	b.g.Eventually(looks, timeout).Should(BeNumerically(">", before))
}

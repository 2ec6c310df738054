// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

// An account goes down, then all that allow control planes, then they come back.
func TestReadyLastsWhileEachRoleHasAUsableAccount(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 3})
	recorder := events.NewFakeRecorder(100)
	infra := b.cluster("c1", func(_ *clusterv1.Cluster, infra *infrav1.OCIMeshCluster) {
		if len(infra.Spec.Accounts) > 0 {
			infra.Spec.Accounts[2].ControlPlane = ptr.To(false)
		}
	})
	b.until(infra, "AccountsReady True Ready")
	b.g.Expect(infra.Status.UsableAccounts).To(Equal("3/3"))
	b.g.Expect(helpers.MessageOf(infra, infrav1.AccountsReadyCondition)).To(Equal("3 of 3 accounts usable"))
	b.g.Expect(helpers.MessageOf(infra, infrav1.ReadyCondition)).To(BeEmpty())
	b.r.Recorder = recorder
	down := func(i int) {
		b.Reload(t, b.Accounts[i])
		b.SetReady(t, b.Accounts[i], metav1.ConditionFalse, "AuthenticationFailed", "fix the Secret")
	}

	down(0)
	b.until(infra, "AccountsReady False AccountNotReady")
	b.g.Expect(helpers.ConditionsOf(infra)).To(ContainElements("Ready True Ready", "NetworkReady True Ready"))
	b.g.Expect(infra.Status.UsableAccounts).To(Equal("2/3"))
	b.g.Expect(recorder.Events).To(Receive(HavePrefix("Warning AccountNotReady 2 of 3 accounts usable: OCIAccount " + b.Accounts[0].Name)))
	b.g.Expect(ofAccount(infra, 0)).To(Equal([]string{"Ready False AccountNotReady", "AccountReady False AccountNotReady", "NetworkReady Unknown Waiting"}))
	b.g.Expect(ofAccount(infra, 1)).To(Equal([]string{"Ready True Ready", "AccountReady True Ready", "NetworkReady True Ready"}))
	since := infra.Status.Accounts[0].Conditions[0].LastTransitionTime
	b.g.Expect(since.IsZero()).To(BeFalse())

	version := infra.ResourceVersion
	_, err := b.reconcile(infra)
	b.g.Expect(err).NotTo(HaveOccurred())
	b.g.Expect(infra.ResourceVersion).To(Equal(version), "nothing is written as long as nothing changes")

	down(1)
	b.until(infra, "Ready False AccountNotReady")
	b.g.Expect(infra.Status.UsableAccounts).To(Equal("1/3"))
	b.g.Expect(helpers.MessageOf(infra, infrav1.ReadyCondition)).To(HavePrefix("1 of 3 accounts usable, and none of them allows control planes: "))
	b.g.Expect(infra.Status.Accounts[0].Conditions[0].LastTransitionTime).To(Equal(since), "it has been down since then")
	b.g.Expect(recorder.Events).To(Receive(HavePrefix("Warning AccountNotReady 1 of 3 accounts usable")))
	b.g.Expect(recorder.Events).NotTo(Receive(), "one event for one change")

	b.MakeReady(t)
	b.until(infra, "AccountsReady True Ready")
	b.g.Expect(helpers.ConditionsOf(infra)).To(ContainElement("Ready True Ready"))
	b.g.Expect(infra.Status.UsableAccounts).To(Equal("3/3"))
	b.deleted(infra)
	b.ExpectNothingLeft(t)
}

func TestANetworkThatFailsIsOneAccountDown(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 2})
	infra := b.cluster("c1")
	b.until(infra, "AccountsReady True Ready")
	b.restart()
	b.OCI.AddFault(sim.Fault{Tenancy: b.Tenancies[1].Name, Status: 503, Code: "ServiceUnavailable", Times: -1})

	b.until(infra, "NetworkReady False Unavailable")

	b.g.Expect(helpers.ConditionsOf(infra)).To(ContainElements("Ready True Ready", "AccountsReady False Unavailable"))
	b.g.Expect(helpers.MessageOf(infra, infrav1.AccountsReadyCondition)).To(HavePrefix("1 of 2 accounts usable: Account " + b.Accounts[1].Name + ": "))
	b.g.Expect(ofAccount(infra, 1)).To(Equal([]string{"Ready False Unavailable", "AccountReady True Ready", "NetworkReady False Unavailable"}))
}

// ofAccount are the conditions of the i-th account.
func ofAccount(infra *infrav1.OCIMeshCluster, i int) (out []string) {
	for _, condition := range infra.Status.Accounts[i].Conditions {
		out = append(out, condition.Type+" "+string(condition.Status)+" "+condition.Reason)
	}
	return out
}

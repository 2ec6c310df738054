// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

func condition(kind string, status metav1.ConditionStatus, reason string) metav1.Condition {
	return metav1.Condition{Type: kind, Status: status, Reason: reason}
}

func machine(name, account, instance, device string, provisioned bool, conditions ...metav1.Condition) *infrav1.OCIMeshMachine {
	out := &infrav1.OCIMeshMachine{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, Labels: map[string]string{clusterv1.ClusterNameLabel: "blue"}},
	}
	out.Status.Placement.Account, out.Status.Instance.ID, out.Status.Tailnet.DeviceID = account, instance, device
	out.Status.Initialization.Provisioned = ptr.To(provisioned)
	out.Status.Conditions = conditions
	return out
}

// fleet are machines of each phase, with what it is in.
func fleet() []client.Object {
	ready, running := condition("Ready", metav1.ConditionTrue, "Ready"), condition(infrav1.InstanceReadyCondition, metav1.ConditionTrue, "Ready")
	online := condition(infrav1.TailnetReadyCondition, metav1.ConditionTrue, "Ready")
	deleting := machine("h", "alpha", "i", "d", true, condition(infrav1.TailnetReadyCondition, metav1.ConditionFalse, "Deleting"))
	deleting.Finalizers, deleting.DeletionTimestamp = []string{"test/finalizer"}, ptr.To(metav1.Now())
	unplaced := machine("p", "", "", "", false, condition(infrav1.PlacedCondition, metav1.ConditionFalse, infrav1.NoCapacityReason))
	unplaced.Finalizers, unplaced.DeletionTimestamp = deleting.Finalizers, deleting.DeletionTimestamp
	return []client.Object{
		&infrav1.OCIAccount{ObjectMeta: metav1.ObjectMeta{Name: "alpha"}, Status: infrav1.OCIAccountStatus{
			Conditions: []metav1.Condition{ready}, Strays: infrav1.AccountStrays{Count: ptr.To[int32](3)},
		}},
		&infrav1.OCIAccount{ObjectMeta: metav1.ObjectMeta{Name: "bravo"}},
		&infrav1.Tailnet{ObjectMeta: metav1.ObjectMeta{Name: "home"}, Status: infrav1.TailnetStatus{
			Conditions: []metav1.Condition{ready},
			Strays:     infrav1.TailnetStrays{DeviceCount: ptr.To[int32](2), KeyCount: ptr.To[int32](0)},
		}},
		&infrav1.Tailnet{ObjectMeta: metav1.ObjectMeta{Name: "away"}, Status: infrav1.TailnetStatus{UnavailableSince: metav1.Unix(1_700_000_000, 0)}},
		&infrav1.OCIMeshCluster{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "blue", Labels: map[string]string{clusterv1.ClusterNameLabel: "blue"}},
			Spec:       infrav1.OCIMeshClusterSpec{TailnetRef: infrav1.TailnetReference{Name: "home"}},
		},
		machine("a", "", "", "", false),
		machine("k", "", "", "", false, condition(infrav1.PlacedCondition, metav1.ConditionFalse, infrav1.BudgetExceededReason)),
		machine("l", "", "", "", false, condition(infrav1.PlacedCondition, metav1.ConditionFalse, infrav1.BudgetExceededReason)),
		machine("m", "", "", "", false, condition(infrav1.PlacedCondition, metav1.ConditionFalse, infrav1.NoCapacityReason)),
		machine("n", "", "", "", false, condition(infrav1.PlacedCondition, metav1.ConditionFalse, infrav1.WaitingForBootstrapDataReason)),
		machine("o", "", "", "", false, condition(infrav1.PlacedCondition, metav1.ConditionUnknown, infrav1.NoCapacityReason)),
		unplaced,
		machine("b", "alpha", "", "", false),
		machine("c", "alpha", "i", "", false),
		machine("d", "alpha", "i", "", false, running),
		machine("e", "alpha", "i", "d", false, running, online),
		machine("f", "bravo", "i", "d", true, ready, online),
		machine("g", "bravo", "i", "d", true, condition(infrav1.TailnetReadyCondition, metav1.ConditionFalse, infrav1.DeviceOfflineReason)),
		deleting,
	}
}

// scraped is what a scrape tells of the fleet.
const scraped = `
# HELP capom_account_ready Whether the OCIAccount is Ready.
# TYPE capom_account_ready gauge
capom_account_ready{account="alpha"} 1
capom_account_ready{account="bravo"} 0
# HELP capom_account_strays Instances that carry this provider's tags and belong to no object, by account.
# TYPE capom_account_strays gauge
capom_account_strays{account="alpha"} 3
# HELP capom_machines OCIMeshMachines by the account that they are placed in and how far they are.
# TYPE capom_machines gauge
capom_machines{account="",phase="deleting"} 1
capom_machines{account="",phase="waiting"} 6
capom_machines{account="alpha",phase="deleting"} 1
capom_machines{account="alpha",phase="joined"} 1
capom_machines{account="alpha",phase="launched"} 1
capom_machines{account="alpha",phase="placed"} 1
capom_machines{account="alpha",phase="running"} 1
capom_machines{account="bravo",phase="not-ready"} 1
capom_machines{account="bravo",phase="provisioned"} 1
# HELP capom_machines_without_place OCIMeshMachines that no account has a place for, by the reason of their condition Placed.
# TYPE capom_machines_without_place gauge
capom_machines_without_place{reason="BudgetExceeded"} 2
capom_machines_without_place{reason="NoCapacity"} 1
# HELP capom_tailnet_devices Devices of OCIMeshMachines by tailnet and whether the coordination server reaches them.
# TYPE capom_tailnet_devices gauge
capom_tailnet_devices{state="offline",tailnet="home"} 1
capom_tailnet_devices{state="online",tailnet="home"} 2
capom_tailnet_devices{state="unknown",tailnet="home"} 1
# HELP capom_tailnet_ready Whether the Tailnet is Ready.
# TYPE capom_tailnet_ready gauge
capom_tailnet_ready{tailnet="away"} 0
capom_tailnet_ready{tailnet="home"} 1
# HELP capom_tailnet_strays Devices and keys that look like this provider's and belong to no object, by tailnet and kind.
# TYPE capom_tailnet_strays gauge
capom_tailnet_strays{kind="device",tailnet="home"} 2
capom_tailnet_strays{kind="key",tailnet="home"} 0
# HELP capom_tailnet_unavailable_since_timestamp_seconds When the coordination server of the Tailnet stopped answering; 0 while it answers.
# TYPE capom_tailnet_unavailable_since_timestamp_seconds gauge
capom_tailnet_unavailable_since_timestamp_seconds{tailnet="away"} 1.7e+09
capom_tailnet_unavailable_since_timestamp_seconds{tailnet="home"} 0
`

func TestObjectsAreCountedAsTheyAreAtTheScrape(t *testing.T) {
	g := NewWithT(t)
	scheme, err := helpers.NewScheme()
	g.Expect(err).NotTo(HaveOccurred())
	registry := prometheus.NewRegistry()
	g.Expect(Register(registry, fake.NewClientBuilder().WithScheme(scheme).WithObjects(fleet()...).Build())).To(Succeed())

	err = testutil.GatherAndCompare(registry, strings.NewReader(scraped))
	g.Expect(err).NotTo(HaveOccurred())
}

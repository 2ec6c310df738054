// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

// managed starts a manager that polls once an hour, and returns what the Tailnet says.
func managed(t *testing.T, w *helpers.World) func() []string {
	t.Helper()
	env.Manager(t, func(ctx context.Context, mgr manager.Manager) error {
		r := &Reconciler{
			Client: mgr.GetClient(), Reader: mgr.GetAPIReader(), Clients: w.Clients,
			OtherDevices: helpers.PoolMachines(),
		}
		return r.SetupWithManager(ctx, mgr, Options{Intervals: phases.Intervals{Poll: time.Hour}})
	})
	return func() []string {
		env.Reload(t, w.Tailnet)
		return helpers.ConditionsOf(w.Tailnet)
	}
}

func TestAManagerNoticesAFixedSecretWithoutAPoll(t *testing.T) {
	g := NewWithT(t)
	w, _ := newWorld(t, tailnetsim.Tailscale)
	changeSecret(infrav1.TailnetClientSecretKey, "wrong")(t, w)
	seen := managed(t, w)
	g.Eventually(seen, time.Minute).Should(ContainElement("Ready False AuthenticationFailed"))

	newClient("auth_keys", "devices:core", "devices:routes")(t, w)

	g.Eventually(seen, time.Minute).Should(ContainElement("Ready True Ready"))
}

// At rest a tailnet is looked at every five minutes. Repairs of machines that the server's absence
// makes unhealthy must not begin before it is known.
func TestAManagerNoticesWithTheMachinesThatTheServerIsAway(t *testing.T) {
	for name, add := range map[string]func(t *testing.T, w *helpers.World) node{
		"a machine": func(t *testing.T, w *helpers.World) node {
			t.Helper()
			owner := helpers.NewMachine(helpers.NewCluster(w.Namespace, "mesh"), "worker")
			env.Create(t, owner)
			machine := helpers.NewOCIMeshMachine(owner)
			env.Create(t, machine)
			machine.Status.Tailnet.Name = w.Tailnet.Name
			return machine
		},
		"a pool's machine": func(t *testing.T, w *helpers.World) node {
			t.Helper()
			machine := helpers.NewOCIMeshMachinePoolMachine(w.Namespace, "pool-1")
			env.Create(t, machine)
			machine.Status.Tailnet.Name = w.Tailnet.Name
			return machine
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w, _ := newWorld(t, tailnetsim.Tailscale)
			machine := add(t, w)
			tell := func(status metav1.ConditionStatus, reason string) {
				t.Helper()
				conditions.Set(machine, metav1.Condition{Type: infrav1.TailnetReadyCondition, Status: status, Reason: reason})
				g.Expect(env.Client.Status().Update(t.Context(), machine)).To(Succeed())
			}
			tell(metav1.ConditionTrue, infrav1.ReadyReason)
			seen := managed(t, w)
			g.Eventually(seen, time.Minute).Should(ContainElement("Ready True Ready"))
			calls := func() int { return len(w.Control.Calls()) }
			g.Eventually(func(g Gomega) { g.Consistently(calls, 2*time.Second).Should(Equal(calls())) }, time.Minute).Should(Succeed(), "it is at rest")
			w.Control.SetUnreachable(true)

			tell(metav1.ConditionUnknown, infrav1.UnavailableReason)

			g.Eventually(seen, time.Minute).Should(ContainElement("Ready False Unavailable"))
		})
	}
}

// node is an object with a device and conditions.
type node interface {
	client.Object
	conditions.Setter
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/poller"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// crashWorlds are machines with, together, every call of a machine.
var crashWorlds = map[string]func(*clusterv1.Machine, *infrav1.OCIMeshMachine){
	"worker with a data volume": func(_ *clusterv1.Machine, own *infrav1.OCIMeshMachine) {
		own.Spec.DataVolumes = []infrav1.DataVolume{{Name: "data", SizeGB: 50, MountPath: "/var/lib/data"}}
	},
	"control plane": controlPlane,
}

// A killed process writes nothing any more, unlike one with an error, and the next remembers
// nothing. An undisturbed life finds the boundaries; then there is one life for each.
func TestAProcessKilledAtAnyCallDuplicatesNothingAndLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, change := range crashWorlds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			helpers.KillEverywhere(t, func(t *testing.T, at *helpers.Boundary) *helpers.Mortal {
				l := newLife(t, at)
				l.live(t, change)
				return l.mortal
			})
		})
	}
}

// life is a bench with mortal processes.
type life struct {
	*bench
	mortal *helpers.Mortal
}

func newLife(t *testing.T, at *helpers.Boundary) *life {
	t.Helper()
	l := &life{mortal: helpers.NewMortal(t, env)}
	l.bench = newBench(t, helpers.WorldOptions{Mortal: l.mortal})
	l.begin()
	l.mortal.Watch(at)
	return l
}

// begin is the start of a process: nothing is remembered.
func (l *life) begin() {
	l.Clients = access.New(access.Options{
		Client: l.mortal.Client, Namespace: l.ManagerNamespace, RequestTimeout: 10 * time.Second, Limits: oci.Unlimited(),
		TailnetLimits: tailnet.Limits{Failures: 1e6},
	})
	l.pollers = poller.New(l.mortal.Client, l.Clients, poller.Options{PollInterval: tick, ProgressInterval: tick, Clock: l.now})
	l.r = l.reconciler()
	l.r.Client, l.r.APIReader = ownAccounts{l.mortal.Client, l.AccountNames()}, l.mortal.Client
}

// step is a poll and a pass of the live process. If it dies, the rest is for the next.
func (l *life) step(own *infrav1.OCIMeshMachine) error {
	ctx := l.mortal.Context()
	err := l.poll(ctx)
	if !l.mortal.Dead() && err == nil {
		_, err = l.r.Reconcile(ctx, requestOf(own))
	}
	if l.mortal.Dead() {
		l.mortal.Restart()
		l.begin()
		return nil
	}
	return err
}

// live has a machine made and deleted.
func (l *life) live(t *testing.T, change func(*clusterv1.Machine, *infrav1.OCIMeshMachine)) {
	t.Helper()
	g := NewWithT(t)
	own := l.machine(t, "machine", change)
	eventually(g, func(g Gomega) {
		g.Expect(l.step(own)).To(Succeed())
		g.Expect(l.Client.Get(t.Context(), client.ObjectKeyFromObject(own), own)).To(Succeed())
		g.Expect(helpers.ConditionsOf(own)).To(ContainElement("Ready True Ready"), "conditions: %v", own.Status.Conditions)
	})
	g.Expect(l.instances(t)).To(HaveLen(1))
	g.Expect(l.Control.Devices()).To(HaveLen(1))
	g.Expect(l.Control.Leftovers().Keys).To(BeEmpty())

	g.Expect(l.Client.Delete(t.Context(), own)).To(Succeed())
	eventually(g, func(g Gomega) {
		g.Expect(l.step(own)).To(Succeed())
		err := l.Client.Get(t.Context(), client.ObjectKeyFromObject(own), own)
		g.Expect(apierrors.IsNotFound(err)).To(BeTrue(), "conditions: %v", own.Status.Conditions)
	})
	l.expectNothingLeft(t)
	g.Expect(l.mortal.Made("POST oci instances")).To(HaveLen(1), "instances that were ever made")
	g.Expect(l.booter.failures).To(BeEmpty(), "machines that could not join")
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/poller"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// crashWorlds are machines as most are. Answers of other calls are lost in the tests of their
// phases: test/house/lostanswers_test.go names them.
var crashWorlds = map[string]func(*clusterv1.Machine, *infrav1.OCIMeshMachine){
	"worker with a data volume": func(_ *clusterv1.Machine, own *infrav1.OCIMeshMachine) {
		own.Spec.DataVolumes = []infrav1.DataVolume{{Name: "data", SizeGB: 50, MountPath: "/var/lib/data"}}
	},
	"control plane": controlPlane,
}

// A killed process writes nothing any more, unlike one with an error, and the next has another
// manager, with empty informers. An undisturbed life finds the boundaries; then there is one life
// for each.
func TestAProcessKilledAtAnyCallDuplicatesNothingAndLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, change := range crashWorlds {
		for when, live := range map[string]func(*life, *testing.T, func(*clusterv1.Machine, *infrav1.OCIMeshMachine)){
			"": (*life).live, ", deleted before it is Ready": (*life).liveShort,
		} {
			t.Run(name+when, func(t *testing.T) {
				t.Parallel()
				helpers.KillEverywhere(t, func(t *testing.T, at *helpers.Boundary) *helpers.Mortal {
					l := newLife(t, at)
					live(l, t, change)
					return l.mortal
				})
			})
		}
	}
}

// life is a bench with mortal processes, each with a manager: nobody calls Reconcile.
type life struct {
	*bench
	mortal *helpers.Mortal
}

func newLife(t *testing.T, at *helpers.Boundary) *life {
	t.Helper()
	l := &life{mortal: helpers.NewMortal(t, env)}
	l.bench = newBench(t, helpers.WorldOptions{Mortal: l.mortal})
	l.begin(t)
	l.mortal.Watch(at)
	return l
}

// begin is the start of a process: nothing is remembered.
func (l *life) begin(t *testing.T) {
	t.Helper()
	l.Clients = access.New(access.Options{
		Client: l.mortal.Client, Namespace: l.ManagerNamespace, RequestTimeout: 10 * time.Second, Limits: oci.Unlimited(),
		TailnetLimits: tailnet.Limits{Failures: 1e6},
	})
	l.mortal.Manager(t, func(ctx context.Context, mgr manager.Manager) error {
		known := ownAccounts{mgr.GetClient(), l.AccountNames()}
		l.pollers = poller.New(known, l.Clients, poller.Options{PollInterval: pace, ProgressInterval: pace, Clock: l.now})
		r := l.reconciler()
		r.Client, r.APIReader = known, mgr.GetAPIReader()
		r.Options.Intervals = phases.Intervals{Poll: pace, Retry: pace}
		r.Scheduler = l.scheduler(known, r.Options)
		if err := mgr.Add(l.pollers); err != nil {
			return err
		}
		return r.SetupWithManager(ctx, mgr, controller.Options{})
	}, l.Namespace)
}

// pace is the processes', and the test's in looking at them: they have other things to do than to
// poll and to answer.
const pace = 20 * time.Millisecond

func (l *life) eventually(t *testing.T, check func(g Gomega)) {
	t.Helper()
	NewWithT(t).Eventually(check).WithTimeout(patience).WithPolling(pace).Should(Succeed())
}

// step has the next process begin, if the last one was killed.
func (l *life) step(t *testing.T) {
	t.Helper()
	if l.mortal.Dead() {
		l.mortal.Restart()
		l.begin(t)
	}
}

// live has a machine made and deleted.
func (l *life) live(t *testing.T, change func(*clusterv1.Machine, *infrav1.OCIMeshMachine)) {
	t.Helper()
	g := NewWithT(t)
	own := l.machine(t, "machine", change)
	l.eventually(t, func(g Gomega) {
		l.step(t)
		g.Expect(l.Client.Get(t.Context(), client.ObjectKeyFromObject(own), own)).To(Succeed())
		g.Expect(helpers.ConditionsOf(own)).To(ContainElement("Ready True Ready"), "conditions: %v", own.Status.Conditions)
	})
	g.Expect(l.instances(t)).To(HaveLen(1))
	g.Expect(l.Control.Devices()).To(HaveLen(1))
	g.Expect(l.Control.Leftovers().Keys).To(BeEmpty())

	l.die(t, own)
	g.Expect(l.mortal.Made("POST oci instances")).To(HaveLen(1), "instances that were ever made")
	g.Expect(l.booter.failures).To(BeEmpty(), "machines that could not join")
}

// liveShort has a machine deleted before it is Ready: once it is launched, or while nobody works
// after the process was killed, who may not know what the killed one has made.
func (l *life) liveShort(t *testing.T, change func(*clusterv1.Machine, *infrav1.OCIMeshMachine)) {
	t.Helper()
	g := NewWithT(t)
	l.booter.setAsleep(true)
	own := l.machine(t, "machine", change)
	l.eventually(t, func(g Gomega) {
		g.Expect(l.Client.Get(t.Context(), client.ObjectKeyFromObject(own), own)).To(Succeed())
		g.Expect(l.mortal.Dead() || own.Status.Instance.ID != "").To(BeTrue())
	})
	l.die(t, own)
	g.Expect(len(l.mortal.Made("POST oci instances"))).To(BeNumerically("<=", 1), "instances that were ever made")
	g.Expect(l.Control.Devices()).To(BeEmpty())
}

// die has the machine deleted.
func (l *life) die(t *testing.T, own *infrav1.OCIMeshMachine) {
	t.Helper()
	g := NewWithT(t)
	g.Expect(client.IgnoreNotFound(l.Client.Delete(t.Context(), own))).To(Succeed())
	l.eventually(t, func(g Gomega) {
		l.step(t)
		err := l.Client.Get(t.Context(), client.ObjectKeyFromObject(own), own)
		g.Expect(apierrors.IsNotFound(err)).To(BeTrue(), "conditions: %v", own.Status.Conditions)
	})
	l.expectNothingLeft(t)
}

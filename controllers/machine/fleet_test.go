// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/poller"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

// manage runs pollers and the machine controller as main does, for the namespaces and accounts of
// the bench and of others.
func (b *bench) manage(t *testing.T, pace poller.Options, options Options, workers int, others ...*bench) {
	t.Helper()
	namespaces, accounts := []string{b.Namespace}, b.AccountNames()
	for _, other := range others {
		namespaces, accounts = append(namespaces, other.Namespace), append(accounts, other.AccountNames()...)
	}
	b.Manager(t, func(ctx context.Context, mgr manager.Manager) error {
		own := ownAccounts{mgr.GetClient(), accounts}
		b.pollers = poller.New(own, b.Clients, pace)
		if err := mgr.Add(b.pollers); err != nil {
			return err
		}
		scheduler := b.scheduler(own, options)
		if err := scheduler.Watch(ctx, mgr.GetCache()); err != nil {
			return err
		}
		r := &Reconciler{
			Client: own, APIReader: mgr.GetAPIReader(), Access: b.Clients, Pollers: b.pollers, Options: options, Scheduler: scheduler,
			Recorder: mgr.GetEventRecorder("ocimeshmachine-controller"), KeyNamespace: b.ManagerNamespace, Devices: tailnetnode.Statuses{Client: own},
		}
		return r.SetupWithManager(ctx, mgr, controller.Options{MaxConcurrentReconciles: workers})
	}, namespaces...)
}

// eventuallyIs waits for a condition of a machine under a manager.
func (b *bench) eventuallyIs(t *testing.T, own *infrav1.OCIMeshMachine, want string) {
	t.Helper()
	NewWithT(t).Eventually(func(g Gomega) {
		g.Expect(b.Client.Get(t.Context(), client.ObjectKeyFromObject(own), own)).To(Succeed())
		g.Expect(helpers.ConditionsOf(own)).To(ContainElement(want), "conditions: %v", own.Status.Conditions)
	}).WithTimeout(3 * patience).WithPolling(100 * time.Millisecond).Should(Succeed())
}

// It runs alone: a change of another test's Tailnet would wake machines before a list shows them.
// The design allows 2.5 calls a machine to Running, of a hundred made at once. Two of them are the
// machine's own here; lists go by time and accounts, and are counted against their permitted pace,
// since this may be a slow machine.
func TestAHundredMachinesTakeFewCalls(t *testing.T) {
	const machines = 100
	const progress = 3 * time.Second
	g := NewWithT(t)
	delays := helpers.FastDelays()
	delays.Provision, delays.Start = 2*time.Second, time.Second
	b := newBench(t, helpers.WorldOptions{Accounts: 3, Sim: sim.Options{Delays: delays, PageSize: 50}, Tenancy: roomy})
	var all []*infrav1.OCIMeshMachine
	for i := range machines {
		all = append(all, b.machine(t, fmt.Sprintf("worker-%d", i)))
	}
	b.OCI.ResetCalls()
	begun := time.Now()
	b.manage(t, poller.Options{PollInterval: 20 * time.Second, ProgressInterval: progress},
		Options{Intervals: phases.Intervals{Poll: 20 * time.Second, Retry: time.Second}}, 10)

	for _, own := range all {
		b.eventuallyIs(t, own, "Ready True Ready")
	}

	counts, total := b.OCI.CallCounts(""), 0
	var table strings.Builder
	for _, operation := range slices.Sorted(maps.Keys(counts)) {
		total += counts[operation]
		fmt.Fprintf(&table, "%-28s%6d%8.2f\n", operation, counts[operation], float64(counts[operation])/machines)
	}
	t.Logf("%-28s%6s%8s\n%s%-28s%6d%8.2f", "OCI operation", "calls", "each", table.String(), "all", total, float64(total)/machines)
	g.Expect(counts["LaunchInstance"]).To(Equal(machines))
	g.Expect(counts["GetInstance"]).To(BeZero())
	lists := counts["ListInstances"] + counts["ListVnicAttachments"]
	g.Expect(total - lists).To(BeNumerically("<=", 2.1*machines))
	// A machine that waits for a look has its account polled after a fifth of the interval; a list
	// has a page or two.
	polls := int(time.Since(begun)/(progress/5)) + 1
	g.Expect(lists).To(BeNumerically("<=", len(b.Accounts)*polls*2))
}

// roomy has limits and capacity for many machines.
func roomy(_ int, tenancy *sim.Tenancy) {
	tenancy.Limits = map[string]int64{"standard-a1-core-count": 10000, "standard-a1-memory-count": 100000}
}

// The machine controller looks at machines at rest once an hour here: what it sees, polls have told
// it.
func TestAnInstanceLostBehindOurBackIsNoticedByAPoll(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	b.manage(t, poller.Options{PollInterval: 50 * time.Millisecond, ProgressInterval: 20 * time.Millisecond},
		Options{Intervals: phases.Intervals{Poll: time.Hour, Retry: 50 * time.Millisecond}}, 4)
	lost, stopped := b.machine(t, "lost"), b.machine(t, "stopped", func(_ *clusterv1.Machine, own *infrav1.OCIMeshMachine) {
		own.Spec.OnStop = infrav1.StopLeave
	})
	b.eventuallyIs(t, lost, "Ready True Ready")
	b.eventuallyIs(t, stopped, "Ready True Ready")

	g.Expect(b.OCI.TerminateInstance(lost.Status.Instance.ID)).To(Succeed())
	g.Expect(b.OCI.StopInstance(stopped.Status.Instance.ID)).To(Succeed())

	b.eventuallyIs(t, lost, "Ready False InstanceTerminated")
	b.eventuallyIs(t, stopped, "Ready False InstanceStopped")
	b.OCI.AddFault(sim.Fault{Status: 404, Code: "NotAuthorizedOrNotFound", Times: -1})
	b.eventuallyIs(t, stopped, "InstanceReady Unknown NotAuthorizedOrNotFound")
	b.OCI.ClearFaults()
	b.eventuallyIs(t, stopped, "InstanceReady False InstanceStopped")
}

func TestADeadAndASlowAccountTakeNoWorkerFromAnother(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	limits := oci.Unlimited()
	limits.InFlight, limits.Failures, limits.Cooldown = 2, 5, time.Hour
	b := newBench(t, helpers.WorldOptions{Accounts: 3, Limits: &limits, RequestTimeout: 10 * time.Minute, Tenancy: roomy})
	b.manage(t, poller.Options{PollInterval: time.Second, ProgressInterval: 200 * time.Millisecond},
		Options{Intervals: phases.Intervals{Poll: time.Second, Retry: 200 * time.Millisecond}}, 6)
	early := b.machine(t, "early", inAccount(b, 2))
	b.eventuallyIs(t, early, "Ready True Ready")
	// All slow work is still under way when the test ends.
	b.OCI.AddFault(sim.Fault{Tenancy: b.Tenancies[0].Name, Delay: 10 * time.Minute, Times: -1})
	b.OCI.AddFault(sim.Fault{Tenancy: b.Tenancies[1].Name, Status: 500, Code: "InternalError", Times: -1})
	before := b.OCI.CallCounts(b.Tenancies[1].Name)["ListInstances"]
	for i := range 10 {
		b.machine(t, fmt.Sprintf("slow-%d", i), inAccount(b, 0))
		b.machine(t, fmt.Sprintf("dead-%d", i), inAccount(b, 1))
	}
	var others []*infrav1.OCIMeshMachine
	for i := range 10 {
		others = append(others, b.machine(t, fmt.Sprintf("other-%d", i), inAccount(b, 2)))
	}

	for _, own := range others {
		b.eventuallyIs(t, own, "Ready True Ready")
	}

	g.Expect(b.OCI.CallCounts(b.Tenancies[1].Name)["ListInstances"]-before).To(BeNumerically("<", 12), "the circuit is open")
}

func TestADeadTailnetTakesNoWorkerFromAnother(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]tailnetsim.Fault{
		"that hangs": {Delay: 10 * time.Minute, Times: 1 << 30},
		"that errs":  {Status: 500, Message: "broken", Times: 1 << 30},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			dead := newBench(t, helpers.WorldOptions{Tenancy: roomy})
			b := newBench(t, helpers.WorldOptions{
				Tenancy: roomy, RequestTimeout: 10 * time.Minute, TailnetLimits: &tailnet.Limits{},
			})
			b.manage(t, poller.Options{PollInterval: time.Second, ProgressInterval: 200 * time.Millisecond},
				Options{Intervals: phases.Intervals{Poll: time.Second, Retry: 200 * time.Millisecond}}, 6, dead)
			var joined []*infrav1.OCIMeshMachine
			for i := range 10 {
				joined = append(joined, dead.machine(t, fmt.Sprintf("joined-%d", i)))
			}
			for _, own := range joined {
				dead.eventuallyIs(t, own, "Ready True Ready")
			}
			dead.Control.ResetCalls()
			dead.Control.Inject(fault)
			for i := range 30 {
				dead.machine(t, fmt.Sprintf("dead-%d", i))
			}
			var others []*infrav1.OCIMeshMachine
			for i := range 10 {
				others = append(others, b.machine(t, fmt.Sprintf("other-%d", i)))
			}

			for _, own := range others {
				b.eventuallyIs(t, own, "Ready True Ready")
			}

			g.Expect(len(dead.Control.Calls())).To(BeNumerically("<", 30), "calls are held back")
			for _, own := range joined {
				dead.Reload(t, own)
				g.Expect(own.Status.Instance.ID).NotTo(BeEmpty())
			}
		})
	}
}

// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

// A lost answer is like a manager killed during the call: the work may be done, and nobody knows.
func TestAnAnswerLostAnywhereDuplicatesNothingAndLeavesNothing(t *testing.T) {
	helpers.WithoutRaceDetector(t)
	t.Parallel()
	onOCI := func(operation string, fault sim.Fault) func(*bench) {
		return func(b *bench) {
			fault.Operation = operation
			b.OCI.AddFault(fault)
		}
	}
	onTailnet := func(operation string, fault tailnetsim.Fault) func(*bench) {
		return func(b *bench) {
			fault.Operation = operation
			b.Control.Inject(fault)
		}
	}
	faults := map[string]func(*bench){}
	for _, operation := range []string{
		"ListInstances", "ListImages", "LaunchInstance", "GetInstance", "ListVnicAttachments", "GetVnic",
		"TerminateInstance", "ListBootVolumeAttachments", "ListBootVolumes",
	} {
		faults[operation+" refused with 503"] = onOCI(operation, sim.Fault{Status: 503, Code: "ServiceUnavailable"})
		faults[operation+" done and its answer lost"] = onOCI(operation, sim.Fault{AfterCommit: true, Reset: true})
	}
	faults["a throttled launch"] = onOCI("LaunchInstance", sim.Fault{Status: 429, Code: "TooManyRequests"})
	for _, operation := range []string{
		tailnetsim.OpToken, tailnetsim.OpListKeys, tailnetsim.OpCreateKey, tailnetsim.OpDeleteKey, tailnetsim.OpListDevices,
		tailnetsim.OpGetRoutes, tailnetsim.OpSetRoutes, tailnetsim.OpDeleteDevice,
	} {
		faults["tailnet's "+operation+" refused with 503"] = onTailnet(operation, tailnetsim.Fault{Status: 503})
		faults["tailnet's "+operation+" done and its answer lost"] = onTailnet(operation, tailnetsim.Fault{LoseAnswer: true})
	}
	for name, inject := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{})
			inject(b)
			own := b.machine(t, "machine", controlPlane)
			b.untilProvisioned(t, own)
			g.Expect(b.instances(t)).To(HaveLen(1))
			g.Expect(b.Control.Devices()).To(HaveLen(1))
			g.Expect(b.Control.Leftovers().Keys).To(BeEmpty())
			b.delete(t, own)
			b.expectNothingLeft(t)
		})
	}
}

// scopeOf is a pass's scope, for tests of one phase.
func (b *bench) scopeOf(t *testing.T, own *infrav1.OCIMeshMachine) *scope {
	t.Helper()
	s, err := b.r.newScope(t.Context(), own)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	s.before = own.DeepCopy()
	s.identify()
	return s
}

// TestUnderAManager drives the watches: nobody calls Reconcile.
func TestUnderAManager(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{Accounts: 3})
	b.Manager(t, func(ctx context.Context, mgr manager.Manager) error {
		r := b.reconciler()
		r.Client, r.APIReader = ownAccounts{mgr.GetClient(), b.AccountNames()}, mgr.GetAPIReader()
		if err := mgr.Add(b.pollers); err != nil {
			return err
		}
		r.Recorder = mgr.GetEventRecorder("ocimeshmachine-controller")
		return r.SetupWithManager(ctx, mgr, controller.Options{MaxConcurrentReconciles: 4})
	}, b.Namespace)
	var all []*infrav1.OCIMeshMachine
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		all = append(all, b.machine(t, name))
	}
	domains := map[string]int{}
	for _, own := range all {
		eventually(g, func(g Gomega) {
			g.Expect(b.Client.Get(t.Context(), client.ObjectKeyFromObject(own), own)).To(Succeed())
			g.Expect(helpers.ConditionsOf(own)).To(ContainElement("Ready True Ready"))
		})
		domains[own.Status.FailureDomain]++
	}
	g.Expect(b.instances(t)).To(HaveLen(6))
	for domain, count := range domains {
		g.Expect(count).To(Equal(2), domain)
	}
	for _, own := range all {
		g.Expect(b.Client.Delete(t.Context(), own)).To(Succeed())
	}
	for _, own := range all {
		eventually(g, func(g Gomega) {
			g.Expect(client.IgnoreNotFound(b.Client.Get(t.Context(), client.ObjectKeyFromObject(own), own))).To(Succeed())
			g.Expect(b.instances(t)).To(BeEmpty())
			g.Expect(b.Control.Devices()).To(BeEmpty())
		})
	}
	b.expectNothingLeft(t)
}

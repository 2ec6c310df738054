// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"maps"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/cluster-api/util/conditions"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// later is as if so much time had gone by since the last pass.
func (c *cache) later(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.networks, func(key accountKey, seen cachedNetwork) bool {
		seen.at = seen.at.Add(-by)
		c.networks[key] = seen
		return false
	})
	maps.DeleteFunc(c.loadBalancers, func(key types.UID, seen cachedLoadBalancer) bool {
		seen.at = seen.at.Add(-by)
		c.loadBalancers[key] = seen
		return false
	})
	maps.DeleteFunc(c.signs, func(key accountKey, seen signs) bool {
		seen.last = seen.last.Add(-by)
		c.signs[key] = seen
		return false
	})
}

// runs gives a machine an instance, which polls show or fail to.
func (b *bench) runs(machine *infrav1.OCIMeshMachine, polled bool) {
	b.t.Helper()
	status := metav1.Condition{Type: infrav1.InstanceReadyCondition, Status: metav1.ConditionTrue, Reason: infrav1.ReadyReason}
	if !polled {
		status.Status, status.Reason = metav1.ConditionUnknown, infrav1.UnavailableReason
	}
	machine.Status.Instance.ID = "ocid1.instance.oc1..m1"
	conditions.Set(machine, status)
	b.g.Expect(b.Client.Status().Update(b.t.Context(), machine)).To(Succeed())
}

// suffering has a machine say that it suffers from something.
func suffering(condition, reason string) func(*bench, *infrav1.OCIMeshMachine) {
	return func(b *bench, machine *infrav1.OCIMeshMachine) {
		conditions.Set(machine, metav1.Condition{Type: condition, Status: metav1.ConditionFalse, Reason: reason})
		b.g.Expect(b.Client.Status().Update(b.t.Context(), machine)).To(Succeed())
	}
}

// A sign of something wrong counts once, and not more often than every ten minutes.
func TestWhatIsAtRestIsComparedWithOCIOnceAnHourUnlessSomethingIsWrong(t *testing.T) {
	t.Parallel()
	offline := suffering(infrav1.TailnetReadyCondition, infrav1.DeviceOfflineReason)
	for name, world := range map[string]struct {
		// unseen means that no machine has an instance, unknown that polls fail.
		unseen, unknown bool
		// meanwhile is what becomes of the machine after the last look.
		meanwhile func(*bench, *infrav1.OCIMeshMachine)
		// passes are the times between passes; the last one counts.
		passes []time.Duration
		looks  bool
	}{
		"polls show who holds it":               {passes: after(59)},
		"polls show who holds it, an hour":      {passes: after(61), looks: true},
		"no poll shows who holds it":            {unseen: true, passes: after(11), looks: true},
		"no poll shows who holds it, soon":      {unseen: true, passes: after(9)},
		"polls fail":                            {unknown: true, passes: after(11), looks: true},
		"a device is offline":                   {meanwhile: offline, passes: after(11), looks: true},
		"a device is offline, soon":             {meanwhile: offline, passes: after(9)},
		"a device is offline, soon, then later": {meanwhile: offline, passes: after(9, 2), looks: true},
		"a device was offline at the last look": {meanwhile: offline, passes: after(11, 11)},
		"a machine has not joined in time":      {meanwhile: suffering(infrav1.TailnetReadyCondition, infrav1.JoinTimeoutReason), passes: after(11), looks: true},
		"a launch is refused":                   {meanwhile: suffering(infrav1.PlacedCondition, infrav1.LaunchRefusedReason), passes: after(11), looks: true},
		"a backend is refused":                  {meanwhile: suffering(infrav1.LoadBalancerReadyCondition, infrav1.BackendFailedReason), passes: after(11), looks: true},
		"there is no room for a machine":        {meanwhile: suffering(infrav1.PlacedCondition, infrav1.NoCapacityReason), passes: after(11)},
		"a device elsewhere is offline": {meanwhile: func(b *bench, machine *infrav1.OCIMeshMachine) {
			machine.Status.Placement.Account = "another"
			offline(b, machine)
		}, passes: after(11)},
		"another management cluster claims the machine": {meanwhile: func(b *bench, machine *infrav1.OCIMeshMachine) {
			machine.Status.Claim = infrav1.ClaimStatus{ManagementCluster: "here", State: infrav1.ClaimElsewhere}
			b.g.Expect(b.Client.Status().Update(b.t.Context(), machine)).To(Succeed())
		}, passes: after(1), looks: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, helpers.WorldOptions{Accounts: 1})
			infra := b.cluster("c1", balanced(infrav1.EndpointNetworkLoadBalancer))
			b.until(infra, "Ready True Ready")
			machine := b.machineIn(infra, "m1", b.Accounts[0].Name)
			if !world.unseen {
				b.runs(machine, !world.unknown)
			}
			if world.meanwhile != nil {
				world.meanwhile(b, machine)
			}

			for _, time := range world.passes {
				b.OCI.ResetCalls()
				b.r.cache.later(time)
				b.until(infra, "Ready True Ready")
			}

			for _, operation := range []string{"ListVcns", "GetNetworkLoadBalancer"} {
				b.g.Expect(b.count(operation) > 0).To(Equal(world.looks), "%s: %d", operation, b.count(operation))
			}
		})
	}
}

func after(minutes ...int) []time.Duration {
	var passes []time.Duration
	for _, m := range minutes {
		passes = append(passes, time.Duration(m)*time.Minute)
	}
	return passes
}

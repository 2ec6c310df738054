// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

// A lost answer is what a manager that was killed during the call has: the work may be done, and
// nobody knows. The reconcilers that go on are new ones, which remember nothing.
func TestAnAnswerLostAnywhereDuplicatesNothingAndLeavesNothing(t *testing.T) {
	helpers.WithoutRaceDetector(t)
	faults := map[string]func(*bench){}
	for _, operation := range []string{
		"ListInstances", "ListShapes", "ListImages", "ListInstanceConfigurations", "CreateInstanceConfiguration", "DeleteInstanceConfiguration",
		"ListInstancePools", "CreateInstancePool", "GetInstancePool", "UpdateInstancePool", "ListInstancePoolInstances",
		"DetachInstancePoolInstance", "TerminateInstancePool", "GetInstance", "ListVolumes", "DeleteVolume",
	} {
		faults[operation+" refused with 503"] = func(b *bench) {
			b.OCI.AddFault(sim.Fault{Operation: operation, Status: 503, Code: "ServiceUnavailable"})
		}
		faults[operation+" done and its answer lost"] = func(b *bench) {
			b.OCI.AddFault(sim.Fault{Operation: operation, AfterCommit: true, Reset: true})
		}
	}
	for _, operation := range []string{
		tailnetsim.OpListKeys, tailnetsim.OpCreateKey, tailnetsim.OpDeleteKey, tailnetsim.OpListDevices, tailnetsim.OpDeleteDevice,
	} {
		faults["tailnet's "+operation+" refused with 503"] = func(b *bench) {
			b.Control.Inject(tailnetsim.Fault{Operation: operation, Status: 503})
		}
		faults["tailnet's "+operation+" done and its answer lost"] = func(b *bench) {
			b.Control.Inject(tailnetsim.Fault{Operation: operation, LoseAnswer: true})
		}
	}
	for name, inject := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, 2)
			b.restartEachPass = true
			inject(b)

			b.untilReady(t, 2)
			g.Expect(b.left(t, "instancepool")).To(Equal(1))
			b.scaleTo(t, 1)
			b.untilReady(t, 1)
			b.delete(t)

			b.expectNothingLeft(t)
		})
	}
}

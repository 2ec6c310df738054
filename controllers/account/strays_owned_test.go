// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"testing"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

const lookedFor = "11111111-2222-3333-4444-555555555555"

// strayWorld is an instance and the objects around it.
type strayWorld struct {
	// tags of the instance, before the objects are made.
	tags func(w *fixture) map[string]string
	make func(t *testing.T, w *fixture, instance string)
	want string
}

func (world strayWorld) expect(t *testing.T) {
	t.Helper()
	w := newFixture(t)
	tags := ownership.Machine(lookedFor, w.Namespace, "worker").Tags()
	if world.tags != nil {
		tags = world.tags(w)
	}
	instance := w.launch(t, "worker-1", tags)
	if world.make != nil {
		world.make(t, w, instance)
	}
	w.OCI.ResetCalls()

	w.look(t, long...)

	count := 0
	if world.want == stray {
		count = 1
	}
	w.expect(t, world.want, count)
	NewWithT(t).Expect(w.OCI.CallCounts("")).NotTo(HaveKey("TerminateInstance"))
	NewWithT(t).Expect(w.OCI.CallCounts("")).NotTo(HaveKey("GetInstance"), "the polls are enough")
}

func TestAnInstanceIsAStrayIfNoMachineIsProvenToOwnIt(t *testing.T) {
	for name, world := range map[string]strayWorld{
		"its machine is there": {
			make: func(t *testing.T, w *fixture, _ string) { w.machine(t, w.Namespace, "worker", lookedFor) }, want: present,
		},
		"its machine was moved here and has no status yet": {
			make: func(t *testing.T, w *fixture, _ string) { w.machine(t, w.Namespace, "worker", lookedFor, unplaced) }, want: present,
		},
		"its machine is being deleted": {
			make: func(t *testing.T, w *fixture, _ string) {
				machine := w.machine(t, w.Namespace, "worker", lookedFor, func(m *infrav1.OCIMeshMachine) { m.Finalizers = []string{"test.example/held"} })
				NewWithT(t).Expect(w.Client.Delete(t.Context(), machine)).To(Succeed())
			}, want: present,
		},
		"its machine's status has recorded it, and its tags were changed": {
			tags: func(*fixture) map[string]string { return map[string]string{infrav1.MachineUIDTag: "another"} },
			make: func(t *testing.T, w *fixture, instance string) {
				w.machine(t, w.Namespace, "worker", lookedFor, func(m *infrav1.OCIMeshMachine) { m.Status.Instance = infrav1.InstanceStatus{ID: instance} })
			}, want: present,
		},
		"its machine is another management cluster's": {want: stray},
		"a machine in another namespace has its identity": {
			make: func(t *testing.T, w *fixture, _ string) {
				w.machine(t, w.Environment.Namespace(t, nil), "worker", lookedFor)
			}, want: stray,
		},
		"a machine of another name has its identity": {
			make: func(t *testing.T, w *fixture, _ string) { w.machine(t, w.Namespace, "other", lookedFor) }, want: stray,
		},
		"a machine of its name has another identity": {
			make: func(t *testing.T, w *fixture, _ string) { w.machine(t, w.Namespace, "worker", "another") }, want: stray,
		},
	} {
		t.Run(name, world.expect)
	}
}

func TestAnInstanceOfAPoolIsAStrayIfNoPoolIsProvenToOwnIt(t *testing.T) {
	for name, world := range map[string]strayWorld{
		"its pool is there": {
			tags: func(w *fixture) map[string]string {
				return ownership.MachinePool(lookedFor, w.Namespace, "pool").Tags()
			},
			make: func(t *testing.T, w *fixture, _ string) { w.pool(t, w.Namespace, lookedFor) }, want: present,
		},
		"its pool is another management cluster's": {
			tags: func(w *fixture) map[string]string {
				return ownership.MachinePool(lookedFor, w.Namespace, "pool").Tags()
			}, want: stray,
		},
		"a pool in another namespace has its identity": {
			tags: func(w *fixture) map[string]string {
				return ownership.MachinePool(lookedFor, w.Namespace, "pool").Tags()
			},
			make: func(t *testing.T, w *fixture, _ string) { w.pool(t, w.Environment.Namespace(t, nil), lookedFor) }, want: stray,
		},
	} {
		t.Run(name, world.expect)
	}
}

func TestAnInstanceIsAStrayIfItSaysThatItIsOurs(t *testing.T) {
	for name, world := range map[string]strayWorld{
		"only one of its tags is left": {
			tags: func(*fixture) map[string]string { return map[string]string{infrav1.MachineUIDTag: lookedFor} },
			make: func(t *testing.T, w *fixture, _ string) { w.machine(t, w.Namespace, "worker", lookedFor) }, want: stray,
		},
		"its name tag is no name": {
			tags: func(*fixture) map[string]string {
				return map[string]string{infrav1.MachineUIDTag: lookedFor, infrav1.MachineNameTag: "../../etc\n/passwd"}
			}, want: stray,
		},
		"it has no tags of ours": {
			tags: func(*fixture) map[string]string { return map[string]string{"owner": "somebody"} }, want: present,
		},
		"it is gone": {
			make: func(t *testing.T, w *fixture, instance string) {
				NewWithT(t).Expect(w.OCI.TerminateInstance(instance)).To(Succeed())
			},
			want: present,
		},
	} {
		t.Run(name, world.expect)
	}
}

func TestAnInstanceIsNoStrayWhileItsClusterIsPaused(t *testing.T) {
	for name, world := range map[string]strayWorld{
		"its cluster is paused, as during a move": {
			tags: func(w *fixture) map[string]string {
				return ownership.Machine(lookedFor, w.Namespace, "worker").TagsWith(ownership.Cluster("c-lookedFor", w.Namespace, "c1"))
			},
			make: func(t *testing.T, w *fixture, _ string) { w.cluster(t, "c-lookedFor", true) }, want: present,
		},
		"its cluster is here and goes on": {
			tags: func(w *fixture) map[string]string {
				return ownership.Machine(lookedFor, w.Namespace, "worker").TagsWith(ownership.Cluster("c-lookedFor", w.Namespace, "c1"))
			},
			make: func(t *testing.T, w *fixture, _ string) { w.cluster(t, "c-lookedFor", false) }, want: stray,
		},
		"a paused cluster of the name is another": {
			tags: func(w *fixture) map[string]string {
				return ownership.Machine(lookedFor, w.Namespace, "worker").TagsWith(ownership.Cluster("c-lookedFor", w.Namespace, "c1"))
			},
			make: func(t *testing.T, w *fixture, _ string) { w.cluster(t, "another", true) }, want: stray,
		},
	} {
		t.Run(name, world.expect)
	}
}
